"""From briefs to takes: load the model, plan the windows, generate codes, decode them to sound, repair levels."""

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
from tydust_assetgen.generate.musicgen.runtime import melody
from tydust_assetgen.generate.musicgen.runtime.encodec import AudioDecoder
from tydust_assetgen.generate.musicgen.runtime.load import Model, libraries
from tydust_assetgen.generate.musicgen.runtime.memory import ModelCache, retry_on_out_of_memory
from tydust_assetgen.generate.musicgen.runtime.sampling_loop import fallback_reason, generate_codes
from tydust_assetgen.generate.musicgen.runtime.track import TrackProgress, TrackRequest
from tydust_assetgen.generate.musicgen.spec import models, requirements
from tydust_assetgen.generate.musicgen.spec.checkpoint import fingerprint
from tydust_assetgen.generate.musicgen.spec.estimates import licence, parameters_of, pull_line
from tydust_assetgen.generate.musicgen.spec.models import Source
from tydust_assetgen.generate.musicgen.spec.parameters import NAME, VERSION, MusicGenParameters
from tydust_assetgen.generate.musicgen.spec.windows import Clock, Layout, plan_windows
from tydust_assetgen.generate.protocol import Progress, Shelf

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray


_CODES_SHARE = 0.95
"""Share of the work that is generating codes; the rest is decoding them to sound."""


@dataclass(frozen=True)
class TrackPlan:
    """What is to be generated, and how long."""

    request: TrackRequest
    layout: Layout
    facts: Facts


class ModelSetup(NamedTuple):
    """Briefs with the same setup are generated together."""

    source: Source
    device: requirements.Device
    precision: requirements.Precision


def generate_takes(
    briefs: Sequence[Brief], shelf: Shelf, cache: ModelCache, progress: Progress
) -> Iterator[tuple[int, Take]]:
    """Takes of briefs, those of one model together.

    Raises:
        AssetgenError: the weights are not here, or memory ran out.
    """
    groups: dict[ModelSetup, dict[int, Brief]] = {}
    for index, brief in enumerate(briefs):
        groups.setdefault(_setup_of(brief, shelf), {})[index] = brief
    for setup, group in groups.items():
        yield from _Batch(setup, group, shelf, cache, progress).takes()


def _setup_of(brief: Brief, shelf: Shelf) -> ModelSetup:
    parameters = parameters_of(brief)
    return ModelSetup(find_weights(parameters, shelf), *choose_device(parameters))


class _Batch:
    """Briefs of one model."""

    def __init__(
        self, setup: ModelSetup, briefs: dict[int, Brief], shelf: Shelf, cache: ModelCache, progress: Progress
    ) -> None:
        self._setup, self._shelf, self._cache = setup, shelf, cache
        self._left = dict(briefs)
        self._progress = {index: _never_backwards(partial(progress, index)) for index in briefs}

    def takes(self) -> Iterator[tuple[int, Take]]:
        """Each when it is ready. When memory runs out, those that are left are generated one at a time."""
        _, device, _ = self._setup
        named = parameters_of(next(iter(self._left.values()))).model
        return retry_on_out_of_memory(self._attempt, device=device, model=named, free_memory=self._cache.unload)

    def _attempt(self, attempt: int) -> Iterator[tuple[int, Take]]:
        for tell in self._progress.values():
            tell(0.0, f"loading {self._setup.source.name}")
        source, device, precision = self._setup
        model = self._cache.model(source, device=device, precision=precision)
        for index, take in self._generate(model, most=1 if attempt > 1 else None):
            del self._left[index]
            self._progress[index](1.0, "")
            yield index, take

    def _generate(self, model: Model, most: int | None) -> Iterator[tuple[int, Take]]:
        left = list(self._left)
        plans = [
            plan_track(self._left[index], parameters_of(self._left[index]), self._shelf, model.musicgen)
            for index in left
        ]

        def tell(number: int, share: float, note: str) -> None:
            self._progress[left[number]](share, note)

        for number, samples in render(model, plans, tell, most=most):
            brief = self._left[left[number]]
            audio, notes = _post_process(samples, plans[number], parameters_of(brief), model.musicgen.sample_rate)
            if reason := fallback_reason(model, plans[number].request):
                notes = (*notes, f"played by audiocraft itself, more slowly: {reason}")
            yield left[number], Take(audio, plans[number].facts, _provenance(model, brief), notes)


def _never_backwards(tell: TrackProgress) -> TrackProgress:
    """The same, but it never goes back: not for a second try either."""
    furthest = 0.0

    def told(share: float, note: str) -> None:
        nonlocal furthest
        furthest = max(furthest, min(share, 1.0))
        tell(furthest, note)

    return told


def find_weights(parameters: MusicGenParameters, shelf: Shelf) -> Source:
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


def choose_device(parameters: MusicGenParameters) -> tuple[requirements.Device, requirements.Precision]:
    """Device and precision of the transformer, `auto` decided.

    Raises:
        UnavailableError: this machine does not have what is asked for.
    """
    device = requirements.device_for(parameters)
    if device == "cuda" and not requirements.cuda_devices():
        hint = 'use `device = "auto"`, which takes the CPU where it must'
        raise UnavailableError("there is no CUDA device here", hint=hint)
    what, hint = requirements.refusal(device, parameters.precision)
    if what:
        missing = "there is no CUDA device here, and " if device == "cpu" and parameters.device == "auto" else ""
        raise UnavailableError(missing + what, hint=hint)
    return device, requirements.precision_for(device, parameters.precision)


def plan_track(brief: Brief, parameters: MusicGenParameters, shelf: Shelf, musicgen: Any) -> TrackPlan:
    """What audiocraft's `MusicGen` needs to know of a brief."""
    clock = Clock(musicgen.max_duration, musicgen.frame_rate)
    tune, facts = _melody_of(brief, parameters, shelf, musicgen)
    before = _continuation_codes(brief, parameters, shelf, musicgen, clock)
    layout = plan_windows(
        brief,
        parameters,
        clock,
        near_s=facts.loop_frames / musicgen.sample_rate,
        bar_s=facts.beats_per_bar * 60.0 / facts.bpm if facts.bpm else 0.0,
        before=0 if before is None else before.shape[-1],
    )
    request = TrackRequest(layout.texts, layout.windows, brief.seed, parameters, tune, before)
    near = round(layout.near_s * musicgen.sample_rate) if brief.loop else 0
    return TrackPlan(
        request, layout, msgspec.structs.replace(facts, loop_frames=0, near_frames=near, sections=_sections(brief))
    )


def _melody_of(
    brief: Brief, parameters: MusicGenParameters, shelf: Shelf, musicgen: Any
) -> tuple[torch.Tensor | None, Facts]:
    """The melody to follow `[C, n]`, and the facts that are known because of it; one pass of the guide's loop is in
    `loop_frames`."""
    import torch

    rate_hz, channels = musicgen.sample_rate, musicgen.audio_channels
    if parameters.guide:
        audio, facts = melody.compose_guide(brief, shelf)
        wave = melody.resample_for_model(audio, rate_hz, channels, circular=brief.loop)
        known = Facts(key=facts.key, bpm=facts.bpm, beats_per_bar=facts.beats_per_bar, bars=facts.bars)
        return torch.from_numpy(wave), msgspec.structs.replace(known, loop_frames=wave.shape[1] if brief.loop else 0)
    audio_or_none = melody.reference_audio(brief, parameters, "melody", shelf)
    if audio_or_none is None:
        return None, Facts()
    return torch.from_numpy(melody.resample_for_model(audio_or_none, rate_hz, channels)), Facts()


def _continuation_codes(
    brief: Brief, parameters: MusicGenParameters, shelf: Shelf, musicgen: Any, clock: Clock
) -> torch.Tensor | None:
    """The codes `[1, K, P]` of what the track continues: as much of its end as a window takes as its prompt."""
    import torch

    audio = melody.reference_audio(brief, parameters, "continue_from", shelf)
    if audio is None:
        return None
    samples = melody.resample_for_model(audio, musicgen.sample_rate, musicgen.audio_channels)
    hop = round(musicgen.sample_rate / musicgen.frame_rate)
    end = melody.last_frames(samples, clock.segment - clock.stride(parameters), hop)
    with torch.no_grad():
        codes: torch.Tensor = musicgen.compression_model.encode(torch.from_numpy(end)[None].to(musicgen.device))[0]
    return codes


def _sections(brief: Brief) -> tuple[SectionTime, ...]:
    starts = [sum(section.seconds for section in brief.sections[:number]) for number in range(len(brief.sections))]
    return tuple(
        SectionTime(section.name, start_s, section.seconds)
        for section, start_s in zip(brief.sections, starts, strict=True)
    )


def render(
    model: Model, plans: Sequence[TrackPlan], tell: Callable[[int, float, str], None], *, most: int | None = None
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """The sound of plans as the model makes it, each exactly as long as planned, without what it continues.

    Args:
        model: what generates it.
        plans: what is generated.
        tell: called with the index of a plan, the share that is done, and a note.
        most: how many are generated at once at most; without, as many as there is memory for.

    Yields:
        The index of a plan and its samples `[C, n]`, as each is ready.
    """
    musicgen = model.musicgen
    codes = generate_codes(
        model, [plan.request for plan in plans], lambda n, share, note: tell(n, _CODES_SHARE * share, note), most=most
    )
    for number, sound in AudioDecoder(musicgen.compression_model).decode_all(
        codes, lambda n, share: tell(n, _after(share), "decoding")
    ):
        plan = plans[number]
        before = plan.request.before
        skipped = 0 if before is None else round(before.shape[-1] * musicgen.sample_rate / musicgen.frame_rate)
        frames = round(plan.layout.seconds * musicgen.sample_rate)
        yield number, np.ascontiguousarray(sound[:, skipped : skipped + frames].numpy())


def _after(share: float) -> float:
    return _CODES_SHARE + (1 - _CODES_SHARE) * share


def _post_process(
    samples: NDArray[np.float32], plan: TrackPlan, parameters: MusicGenParameters, rate_hz: int
) -> tuple[Audio, tuple[str, ...]]:
    """Repair what the joins did to the level, and widen a mono sound where that is asked for."""
    from tydust_assetgen.generate.musicgen.post.level_repair import repair_levels
    from tydust_assetgen.generate.musicgen.post.stereo import widen

    notes: tuple[str, ...] = ()
    if plan.layout.joins_s:
        starts_s = [section.start_s for section in plan.facts.sections] if parameters.per_section else []
        samples, notes = repair_levels(samples, rate_hz, plan.layout.joins_s, starts_s)
    if parameters.width and samples.shape[0] == 1:
        samples = widen(samples, rate_hz, parameters.width)
    return Audio(samples, rate_hz), notes


def _provenance(model: Model, brief: Brief) -> Provenance:
    source = model.source
    weights = fingerprint(source.folder)[:16] if source.folder else ""
    return Provenance(
        generator=NAME,
        version=VERSION,
        licence=licence(brief),
        model=source.repository or Path(source.name).name,  # never a path of this machine
        revision=source.revision or weights,
        libraries={**libraries(), "device": model.device, "precision": model.precision},
    )
