"""The sounds that a track follows: a melody, a sound that it continues, the composer's own version of the brief."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tydust_assetgen.audio import Audio
from tydust_assetgen.errors import GenerationError
from tydust_assetgen.flow import Brief, Facts
from tydust_assetgen.generate.composer import Composer
from tydust_assetgen.generate.musicgen.spec.parameters import MusicGenParameters, composer_brief
from tydust_assetgen.generate.protocol import Shelf

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray


def reference_audio(brief: Brief, parameters: MusicGenParameters, name: str, shelf: Shelf) -> Audio | None:
    """The sound that a parameter names (`melody` or `continue_from`); `None` where it names none.

    Raises:
        GenerationError: it is not on the shelf.
    """
    set_ones = [each for each in ("melody", "continue_from") if getattr(parameters, each)]
    if name not in set_ones:
        return None
    place = set_ones.index(name)
    digest = brief.references[place].digest if place < len(brief.references) else ""
    if digest not in shelf.audio:
        raise GenerationError(f"the sound that `{name}` names was not handed in: `{getattr(parameters, name)}`")
    return shelf.audio[digest]


def compose_guide(brief: Brief, shelf: Shelf) -> tuple[Audio, Facts]:
    """The composer's own version of a brief, to be followed, and what is known of it.

    Returns:
        One exact pass where the track loops, so that it can go on in a circle; else all of it.

    Raises:
        GenerationError: the brief can't be composed.
    """
    ((_, take),) = Composer().generate([composer_brief(brief)], shelf, lambda *_: None)
    frames = take.facts.loop_frames or take.audio.frames
    return Audio(take.audio.samples[:, :frames], take.audio.rate_hz), take.facts


def resample_for_model(audio: Audio, rate_hz: int, channels: int, *, circular: bool = False) -> NDArray[np.float32]:
    """A sound `[channels, frames]` at the model's rate, with as many channels as the model has."""
    from tydust_assetgen.dsp.resample import resample  # scipy comes with it, and most tracks follow nothing

    samples = audio.samples
    if channels == 1 and audio.channels > 1:
        samples = samples.mean(axis=0, keepdims=True, dtype=np.float32)
    elif channels > audio.channels:
        samples = np.repeat(samples[:1], channels, axis=0)
    return np.ascontiguousarray(resample(samples[:channels], audio.rate_hz, rate_hz, circular=circular))


def circular_slice(melody: torch.Tensor, start: int, samples: int) -> torch.Tensor:
    """What of a melody lies under a window: from sample `start` on, going on in a circle, as audiocraft has it.

    Args:
        melody: `[C, n]`.
        start: May be below 0: under what the track continues lies the melody's end.
        samples: How many.
    """
    import torch

    positions = torch.arange(start, start + samples, device=melody.device)
    return melody[..., positions % melody.shape[-1]]


def last_frames(samples: NDArray[np.float32], frames: int, hop: int) -> NDArray[np.float32]:
    """The last `frames` frames of codes of a sound, whole frames only, so that the track begins where it ends.

    Raises:
        GenerationError: it is shorter than a frame.
    """
    whole = min(frames, samples.shape[1] // hop)
    if whole == 0:
        raise GenerationError("the sound to carry on from is too short", hint="give it a second at least")
    return samples[:, samples.shape[1] - whole * hop :]
