"""A whole performance. In walk briefs and their shelf, out walk takes: read, load, plan, play, decode, even out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from tydust_assetgen.audio import Audio
from tydust_assetgen.errors import UnavailableError
from tydust_assetgen.flow import Brief, Facts, Provenance, SectionTime, Take
from tydust_assetgen.generate.musicgen import MusicGen
from tydust_assetgen.generate.musicgen.runtime import melody
from tydust_assetgen.generate.musicgen.runtime.encodec import Sounder
from tydust_assetgen.generate.musicgen.runtime.load import Model, libraries
from tydust_assetgen.generate.musicgen.runtime.memory import Keeper, with_memory
from tydust_assetgen.generate.musicgen.runtime.sampling_loop import play, refusal
from tydust_assetgen.generate.musicgen.runtime.track import Piece, Tell
from tydust_assetgen.generate.musicgen.spec import models, requirements
from tydust_assetgen.generate.musicgen.spec.checkpoint import fingerprint
from tydust_assetgen.generate.musicgen.spec.estimates import licence, pull_line, read
from tydust_assetgen.generate.musicgen.spec.models import Source
from tydust_assetgen.generate.musicgen.spec.parameters import MusicGenParameters
from tydust_assetgen.generate.musicgen.spec.windows import Clock, Layout, laid_out
from tydust_assetgen.generate.protocol import Progress, Shelf

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray


_PLAYING = 0.95
"""Share of the work that is making codes; the rest is decoding."""


@dataclass(frozen=True)
class Plan:
    """What is to be played, and how long."""

    piece: Piece
    layout: Layout
    facts: Facts


class Setting(NamedTuple):
    """What plays: briefs with the same setting are played together."""

    source: Source
    device: requirements.Kind
    precision: requirements.Precision


def perform(briefs: Sequence[Brief], shelf: Shelf, keeper: Keeper, progress: Progress) -> Iterator[tuple[int, Take]]:
    """Takes of briefs, those of one model together.

    Raises:
        AssetgenError: the weights are not here, or memory ran out.
    """
    groups: dict[Setting, dict[int, Brief]] = {}
    for index, brief in enumerate(briefs):
        groups.setdefault(_setting(brief, shelf), {})[index] = brief
    for setting, group in groups.items():
        yield from _Together(setting, group, shelf, keeper, progress).takes()


def _setting(brief: Brief, shelf: Shelf) -> Setting:
    parameters = read(brief)
    return Setting(here(parameters, shelf), *machine(parameters))


class _Together:
    """Briefs of one model on their way."""

    def __init__(
        self, setting: Setting, briefs: dict[int, Brief], shelf: Shelf, keeper: Keeper, progress: Progress
    ) -> None:
        self._setting, self._shelf, self._keeper = setting, shelf, keeper
        self._left = dict(briefs)
        self._tells = {index: _rising(partial(progress, index)) for index in briefs}

    def takes(self) -> Iterator[tuple[int, Take]]:
        """Each when it is ready. When memory runs out, those that are left are played one at a time."""
        _, device, _ = self._setting
        named = read(next(iter(self._left.values()))).model
        return with_memory(self._attempt, device=device, model=named, relieve=self._keeper.let_go)

    def _attempt(self, attempt: int) -> Iterator[tuple[int, Take]]:
        for tell in self._tells.values():
            tell(0.0, f"loading {self._setting.source.name}")
        source, device, precision = self._setting
        model = self._keeper.model(source, device=device, precision=precision)
        for index, take in self._played(model, most=1 if attempt > 1 else None):
            del self._left[index]
            self._tells[index](1.0, "")
            yield index, take

    def _played(self, model: Model, most: int | None) -> Iterator[tuple[int, Take]]:
        left = list(self._left)
        plans = [planned(self._left[index], read(self._left[index]), self._shelf, model.musicgen) for index in left]

        def tell(number: int, share: float, note: str) -> None:
            self._tells[left[number]](share, note)

        for number, samples in sounded(model, plans, tell, most=most):
            brief = self._left[left[number]]
            audio, notes = _evened(samples, plans[number], read(brief), model.musicgen.sample_rate)
            if reason := refusal(model, plans[number].piece):
                notes = (*notes, f"played by audiocraft itself, more slowly: {reason}")
            yield left[number], Take(audio, plans[number].facts, _provenance(model, brief), notes)


def _rising(tell: Tell) -> Tell:
    """The same, but it never goes back: not for a second try either."""
    furthest = 0.0

    def told(share: float, note: str) -> None:
        nonlocal furthest
        furthest = max(furthest, min(share, 1.0))
        tell(furthest, note)

    return told


def here(parameters: MusicGenParameters, shelf: Shelf) -> Source:
    """The weights that are asked for.

    Raises:
        UnavailableError: they are not on this machine.
    """
    source = models.find(parameters.model, parameters.revision, shelf.root)
    if source.folder is None:
        what = f"the weights of `{source.name}` are not on this machine"
        hint = f"fetch them: `{pull_line(parameters, source)}`" if source.repository else "see `model`"
        raise UnavailableError(what, hint=hint)
    return source


def machine(parameters: MusicGenParameters) -> tuple[requirements.Kind, requirements.Precision]:
    """Device and precision of the transformer, `auto` decided.

    Raises:
        UnavailableError: this machine does not have what is asked for.
    """
    device = requirements.kind(parameters)
    if device == "cuda" and not requirements.cuda_devices():
        hint = 'use `device = "auto"`, which takes the CPU where it must'
        raise UnavailableError("there is no CUDA device here", hint=hint)
    what, hint = requirements.refusal(device, parameters.precision)
    if what:
        missing = "there is no CUDA device here, and " if device == "cpu" and parameters.device == "auto" else ""
        raise UnavailableError(missing + what, hint=hint)
    return device, requirements.precision_on(device, parameters.precision)


def planned(brief: Brief, parameters: MusicGenParameters, shelf: Shelf, musicgen: Any) -> Plan:
    """A brief, ready to be played by audiocraft's `MusicGen`."""
    clock = Clock(musicgen.max_duration, musicgen.frame_rate)
    tune, facts = _melody(brief, parameters, shelf, musicgen)
    before = _before(brief, parameters, shelf, musicgen, clock)
    layout = laid_out(
        brief,
        parameters,
        clock,
        near_s=facts.loop_frames / musicgen.sample_rate,
        bar_s=facts.beats_per_bar * 60.0 / facts.bpm if facts.bpm else 0.0,
        before=0 if before is None else before.shape[-1],
    )
    piece = Piece(layout.texts, layout.windows, brief.seed, parameters, tune, before)
    near = round(layout.near_s * musicgen.sample_rate) if brief.loop else 0
    return Plan(
        piece, layout, msgspec.structs.replace(facts, loop_frames=0, near_frames=near, sections=_sections(brief))
    )


def _melody(
    brief: Brief, parameters: MusicGenParameters, shelf: Shelf, musicgen: Any
) -> tuple[torch.Tensor | None, Facts]:
    """What is followed, and what is known because of it; a pass of the guide's loop is in `loop_frames`."""
    import torch

    rate_hz, channels = musicgen.sample_rate, musicgen.audio_channels
    if parameters.guide:
        audio, facts = melody.guide(brief, shelf)
        wave = melody.fitted(audio, rate_hz, channels, circular=brief.loop)
        known = Facts(key=facts.key, bpm=facts.bpm, beats_per_bar=facts.beats_per_bar, bars=facts.bars)
        return torch.from_numpy(wave), msgspec.structs.replace(known, loop_frames=wave.shape[1] if brief.loop else 0)
    audio_or_none = melody.reference(brief, parameters, "melody", shelf)
    if audio_or_none is None:
        return None, Facts()
    return torch.from_numpy(melody.fitted(audio_or_none, rate_hz, channels)), Facts()


def _before(
    brief: Brief, parameters: MusicGenParameters, shelf: Shelf, musicgen: Any, clock: Clock
) -> torch.Tensor | None:
    """The codes of what the track carries on from: as much of its end as a window hears."""
    import torch

    audio = melody.reference(brief, parameters, "continue_from", shelf)
    if audio is None:
        return None
    samples = melody.fitted(audio, musicgen.sample_rate, musicgen.audio_channels)
    hop = round(musicgen.sample_rate / musicgen.frame_rate)
    end = melody.tail(samples, clock.segment - clock.stride(parameters), hop)
    with torch.no_grad():
        codes: torch.Tensor = musicgen.compression_model.encode(torch.from_numpy(end)[None].to(musicgen.device))[0]
    return codes


def _sections(brief: Brief) -> tuple[SectionTime, ...]:
    starts = [sum(section.seconds for section in brief.sections[:number]) for number in range(len(brief.sections))]
    return tuple(
        SectionTime(section.name, start_s, section.seconds)
        for section, start_s in zip(brief.sections, starts, strict=True)
    )


def sounded(
    model: Model, plans: Sequence[Plan], tell: Callable[[int, float, str], None], *, most: int | None = None
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """The sound of plans as the model makes it, each exactly as long as planned, without what it carries on from.

    Args:
        model: what plays.
        plans: what is played.
        tell: told of each plan, by its index.
        most: how many are played at once at most; without, as many as there is memory for.

    Yields:
        The index of a plan and its samples `[C, n]`, as each is ready.
    """
    musicgen = model.musicgen
    playing = play(
        model, [plan.piece for plan in plans], lambda n, share, note: tell(n, _PLAYING * share, note), most=most
    )
    for number, sound in Sounder(musicgen.compression_model).sounds(
        playing, lambda n, share: tell(n, _after(share), "decoding")
    ):
        plan = plans[number]
        before = plan.piece.before
        skipped = 0 if before is None else round(before.shape[-1] * musicgen.sample_rate / musicgen.frame_rate)
        frames = round(plan.layout.seconds * musicgen.sample_rate)
        yield number, np.ascontiguousarray(sound[:, skipped : skipped + frames].numpy())


def _after(share: float) -> float:
    return _PLAYING + (1 - _PLAYING) * share


def _evened(
    samples: NDArray[np.float32], plan: Plan, parameters: MusicGenParameters, rate_hz: int
) -> tuple[Audio, tuple[str, ...]]:
    """What the joins did to the level is taken back, and a mono sound is made wide where that is asked for."""
    from tydust_assetgen.generate.musicgen.post.level_repair import evened
    from tydust_assetgen.generate.musicgen.post.stereo import widened

    notes: tuple[str, ...] = ()
    if plan.layout.joins_s:
        starts_s = [section.start_s for section in plan.facts.sections] if parameters.per_section else []
        samples, notes = evened(samples, rate_hz, plan.layout.joins_s, starts_s)
    if parameters.width and samples.shape[0] == 1:
        samples = widened(samples, rate_hz, parameters.width)
    return Audio(samples, rate_hz), notes


def _provenance(model: Model, brief: Brief) -> Provenance:
    source = model.source
    weights = fingerprint(source.folder)[:16] if source.folder else ""
    return Provenance(
        generator=MusicGen.name,
        version=MusicGen.version,
        licence=licence(brief),
        model=source.repository or Path(source.name).name,  # never a path of this machine
        revision=source.revision or weights,
        libraries={**libraries(), "device": model.device, "precision": model.precision},
    )
