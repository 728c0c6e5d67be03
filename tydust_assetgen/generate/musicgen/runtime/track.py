"""A piece on its way through our own decoder. In walks a `Piece`, out walk its codes, window by window."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch

from tydust_assetgen.generate.musicgen.decoder.engine import Plays
from tydust_assetgen.generate.musicgen.decoder.requests import Sampling, Stretch, conditions_of
from tydust_assetgen.generate.musicgen.runtime.melody import stretch
from tydust_assetgen.generate.musicgen.runtime.text_encoder import let_go
from tydust_assetgen.generate.musicgen.spec.parameters import MusicGenParameters
from tydust_assetgen.generate.musicgen.spec.windows import Window

Meter: TypeAlias = Callable[[int, int], None]
"""Told how many steps are done, and how many there are."""
Heard: TypeAlias = tuple[torch.Tensor, torch.Tensor]
"""What leads a row, and what stands there when nothing is to be heard."""


class Words:
    """Texts that were read. Each is read once, however many pieces and windows it leads."""

    def __init__(self, musicgen: Any) -> None:
        self._musicgen = musicgen
        self._read: dict[str, Heard] = {}

    def read(self, pieces: Iterable[Piece]) -> None:
        """Read ahead what leads pieces without a melody. If that is all there is to read, the encoder's memory is given
        back: there is the more for rows."""
        waiting = list(pieces)
        for piece in waiting:
            for window in piece.windows if piece.melody is None else ():
                self.lead(piece, window, Dice(piece.seed))
        if all(piece.melody is None for piece in waiting):
            let_go(self._musicgen.lm)

    def lead(self, piece: Piece, window: Window, dice: Dice) -> Heard:
        """What leads a window."""
        if piece.melody is not None:
            return self._conditions(piece, window, dice)
        text = piece.texts[window.text]
        if text not in self._read:
            self._read[text] = self._conditions(piece, window, dice)
        return self._read[text]

    def _conditions(self, piece: Piece, window: Window, dice: Dice) -> Heard:
        attributes = attributes_of(self._musicgen, piece, window)
        with dice.thrown(), self._musicgen.autocast:
            return conditions_of(self._musicgen.lm, attributes)


class Row:
    """One piece. Satisfies `decoder.track.Track`.

    Args:
        piece: what is played.
        words: reads what leads it.
        network: what plays it.
        meter: makes what is told of a window's steps.
    """

    def __init__(self, piece: Piece, words: Words, network: Plays, meter: Callable[[Window], Meter]) -> None:
        asked, shape = piece.parameters, network.shape
        self.sampling = Sampling(asked.temperature, min(asked.top_k, shape.card), asked.top_p, asked.cfg_coef)
        self.dice = torch.Generator(network.device).manual_seed(piece.seed)
        self._piece, self._words, self._meter = piece, words, meter
        self._throws = Dice(piece.seed)
        self._waiting = list(piece.windows)
        nothing = torch.zeros((shape.codebooks, 0), dtype=torch.long, device=network.device)
        self._codes = nothing if piece.before is None else piece.before[0]

    def begin(self) -> Stretch | None:
        """The next window; it hears the end of what there is already."""
        if not self._waiting:
            return None
        self._window = self._waiting.pop(0)
        self.tell = self._meter(self._window)
        prompt = self._codes[:, self._codes.shape[1] - self._window.prompt :]
        return Stretch(prompt, self._window.length, *self._words.lead(self._piece, self._window, self._throws))

    def end(self, codes: torch.Tensor) -> None:
        """A window is played: what is new of it."""
        self._codes = torch.cat([self._codes, codes[:, self._window.prompt :]], dim=-1)

    @property
    def codes(self) -> torch.Tensor:
        """`[1, K, T]`: what the piece carries on from, if it does so, then all that was played."""
        return self._codes[None].clone()  # out of inference mode it is a tensor like any other


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
