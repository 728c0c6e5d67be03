"""A piece: all that decides the codes of a track, but for the model. In walks one of its windows, out walks what leads
it, as audiocraft wants it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from tydust_assetgen.generate.musicgen.melody import stretch
from tydust_assetgen.generate.musicgen.parameters import MusicGenParameters
from tydust_assetgen.generate.musicgen.windows import Window

if TYPE_CHECKING:
    import torch

Tell: TypeAlias = Callable[[float, str], None]
"""Told the share that is done, and how it goes."""


@dataclass(frozen=True)
class Piece:
    """All that decides the codes of a track, but for the model."""

    texts: tuple[str, ...]
    windows: tuple[Window, ...]
    seed: int
    parameters: MusicGenParameters
    melody: torch.Tensor | None = None  # [C, n] at the model's rate
    before: torch.Tensor | None = None  # [1, K, P], codes that the track carries on from


class Dice:
    """Python's own dice for one piece, which Demucs throws when it hears the melody: they fall the same whatever is
    played in between."""

    def __init__(self, seed: int) -> None:
        self._state = random.Random(seed).getstate()  # noqa: S311  no secret depends on it

    @contextmanager
    def thrown(self) -> Iterator[None]:
        """In here Python throws these."""
        others = random.getstate()
        random.setstate(self._state)
        try:
            yield
        finally:
            self._state = random.getstate()
            random.setstate(others)


def attributes_of(musicgen: Any, piece: Piece, window: Window) -> list[Any]:
    """What a window is led by. Each has a batch of its own: in a common one, shorter texts would hear the padding."""
    melody = None if piece.melody is None else [_under(musicgen, piece, window)]
    return list(musicgen._prepare_tokens_and_attributes([piece.texts[window.text]], None, melody)[0])


def _under(musicgen: Any, piece: Piece, window: Window) -> torch.Tensor:
    """The melody under a window. A track of one window hears it whole and the model repeats it, as audiocraft does."""
    assert piece.melody is not None
    if len(piece.windows) == 1 and not window.prompt:
        return piece.melody
    start = int(window.heard_from / musicgen.frame_rate * musicgen.sample_rate)
    return stretch(piece.melody, start, int(musicgen.max_duration * musicgen.sample_rate))
