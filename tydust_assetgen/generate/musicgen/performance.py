"""A whole performance. In walk a brief and its shelf, out walks a take: read, load, plan, play, decode, even out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from tydust_assetgen.audio import Audio
from tydust_assetgen.errors import UnavailableError
from tydust_assetgen.flow import Brief, Facts, Provenance, SectionTime, Take
from tydust_assetgen.generate.musicgen import devices, melody, models
from tydust_assetgen.generate.musicgen.checkpoint import fingerprint
from tydust_assetgen.generate.musicgen.loading import Model, libraries
from tydust_assetgen.generate.musicgen.memory import Keeper, with_memory
from tydust_assetgen.generate.musicgen.parameters import MusicGenParameters
from tydust_assetgen.generate.musicgen.player import Piece, Tell, play
from tydust_assetgen.generate.musicgen.text import stretches
from tydust_assetgen.generate.musicgen.windows import frames_of, joins, section_ends, windows
from tydust_assetgen.generate.protocol import Shelf

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from tydust_assetgen.generate.musicgen.models import Source

MARGIN_S = 4.0
"""What is made beyond the asked length of a loop, at least, for the loop finder to choose from."""


@dataclass(frozen=True)
class _Plan:
    """What is to be played, and how long."""

    piece: Piece
    seconds: float
    """All of it, the loop finder's margin included."""
    facts: Facts
    joins_s: tuple[float, ...]


def perform(brief: Brief, shelf: Shelf, keeper: Keeper, tell: Tell) -> Take:
    """One take.

    Raises:
        AssetgenError: the weights are not here, or memory ran out.
    """
    parameters = msgspec.convert(brief.parameters, MusicGenParameters)
    source = here(parameters, shelf)
    device = devices.kind(parameters)
    tell(0.0, f"loading {source.name}")

    def work() -> Take:
        model = keeper.model(source, device=device, dtype=parameters.dtype)
        return _take(brief, parameters, shelf, model, tell)

    return with_memory(work, device=device, model=parameters.model)


def _take(brief: Brief, parameters: MusicGenParameters, shelf: Shelf, model: Model, tell: Tell) -> Take:
    plan = _planned(brief, parameters, shelf, model.musicgen)
    codes = play(model.musicgen, plan.piece, lambda share, note: tell(0.95 * share, note))
    samples = heard(model.musicgen, plan, codes, lambda share: tell(0.95 + 0.05 * share, "decoding"))
    audio, notes = _evened(samples, plan, parameters, model.musicgen.sample_rate)
    tell(1.0, "")
    return Take(audio, plan.facts, _provenance(model, brief, parameters), notes)


def here(parameters: MusicGenParameters, shelf: Shelf) -> Source:
    """The weights that are asked for.

    Raises:
        UnavailableError: they are not on this machine.
    """
    source = models.find(parameters.model, parameters.revision, shelf.root)
    if source.folder is None:
        what = f"the weights of `{source.name}` are not on this machine"
        raise UnavailableError(what, hint=f"fetch them: `assetgen models pull {source.name}`")
    return source


def margin_s(near_s: float, bpm: float, beats_per_bar: int = 4) -> float:
    """Four seconds or two bars, whichever is longer, but at most a quarter of the track."""
    two_bars_s = 2 * beats_per_bar * 60.0 / bpm if bpm else 0.0
    return min(max(MARGIN_S, two_bars_s), near_s / 4)


def _planned(brief: Brief, parameters: MusicGenParameters, shelf: Shelf, musicgen: Any) -> _Plan:
    rate_hz, frame_rate = musicgen.sample_rate, musicgen.frame_rate
    tune, facts = _melody(brief, parameters, shelf, musicgen)
    near_s = facts.loop_frames / rate_hz if facts.loop_frames else brief.duration_s
    seconds = near_s + (margin_s(near_s, facts.bpm or brief.bpm, facts.beats_per_bar) if brief.loop else 0.0)
    before = _before(brief, parameters, shelf, musicgen)
    led = stretches(brief, per_section=parameters.per_section)
    row = windows(
        section_ends([each.seconds for each in led], frames_of(seconds, frame_rate), frame_rate),
        segment=int(musicgen.max_duration * frame_rate),
        stride=_stride(parameters, musicgen),
        before=0 if before is None else before.shape[-1],
    )
    piece = Piece(tuple(each.text for each in led), row, brief.seed, parameters, tune, before)
    near = round(near_s * rate_hz) if brief.loop else 0
    facts = msgspec.structs.replace(facts, loop_frames=0, near_frames=near, sections=_sections(brief))
    return _Plan(piece, seconds, facts, tuple(frame / frame_rate for frame in joins(row)))


def _stride(parameters: MusicGenParameters, musicgen: Any) -> int:
    return int(parameters.extend_stride * musicgen.frame_rate)


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


def _before(brief: Brief, parameters: MusicGenParameters, shelf: Shelf, musicgen: Any) -> torch.Tensor | None:
    """The codes of what the track carries on from: as much of its end as a window hears."""
    import torch

    audio = melody.reference(brief, parameters, "continue_from", shelf)
    if audio is None:
        return None
    samples = melody.fitted(audio, musicgen.sample_rate, musicgen.audio_channels)
    frames = int(musicgen.max_duration * musicgen.frame_rate) - _stride(parameters, musicgen)
    end = melody.tail(samples, frames, round(musicgen.sample_rate / musicgen.frame_rate))
    with torch.no_grad():
        codes: torch.Tensor = musicgen.compression_model.encode(torch.from_numpy(end)[None].to(musicgen.device))[0]
    return codes


def _sections(brief: Brief) -> tuple[SectionTime, ...]:
    starts = [sum(section.seconds for section in brief.sections[:number]) for number in range(len(brief.sections))]
    return tuple(
        SectionTime(section.name, start_s, section.seconds)
        for section, start_s in zip(brief.sections, starts, strict=True)
    )


def heard(musicgen: Any, plan: _Plan, codes: torch.Tensor, progress: Callable[[float], None]) -> NDArray[np.float32]:
    """The sound `[C, n]`, exactly as long as planned, without what the track carries on from."""
    import torch

    from tydust_assetgen.generate.musicgen.sound import decoded

    with torch.no_grad():
        sound = decoded(musicgen.compression_model, codes, progress=progress)
    before = plan.piece.before
    skipped = 0 if before is None else round(before.shape[-1] * musicgen.sample_rate / musicgen.frame_rate)
    frames = round(plan.seconds * musicgen.sample_rate)
    return np.ascontiguousarray(sound[:, skipped : skipped + frames].float().cpu().numpy())


def _evened(
    samples: NDArray[np.float32], plan: _Plan, parameters: MusicGenParameters, rate_hz: int
) -> tuple[Audio, tuple[str, ...]]:
    return Audio(samples, rate_hz), ()


def _provenance(model: Model, brief: Brief, parameters: MusicGenParameters) -> Provenance:
    return Provenance(
        generator="musicgen",
        version="1",
        licence=parameters.licence or model.source.licence,
        model=model.source.repository or model.source.name,
        revision=model.source.revision or fingerprint(model.source.folder)[:16],
        libraries=libraries(),
    )
