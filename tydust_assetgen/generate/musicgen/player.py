"""Playing. In walks a `Piece`, ready to be played, out walk its codes.

`_generated` is the one place that asks the model for tokens: our own decoder where it knows the model and the device,
else audiocraft's own loop. Both give the same ones.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tydust_assetgen.generate.musicgen.melody import stretch
from tydust_assetgen.generate.musicgen.outlook import CORES
from tydust_assetgen.generate.musicgen.parameters import MusicGenParameters
from tydust_assetgen.generate.musicgen.windows import Window

if TYPE_CHECKING:
    import torch

    from tydust_assetgen.generate.musicgen.loading import Model

Tell = Callable[[float, str], None]
"""Told the share that is done, and how it goes."""
_TELL_S = 0.1


@dataclass(frozen=True)
class Piece:
    """All that decides the codes of a track, but for the model."""

    texts: tuple[str, ...]
    windows: tuple[Window, ...]
    seed: int
    parameters: MusicGenParameters
    melody: torch.Tensor | None = None  # [C, n] at the model's rate
    before: torch.Tensor | None = None  # [1, K, P], codes that the track carries on from


def play(model: Model, piece: Piece, tell: Tell) -> torch.Tensor:
    """The codes of a piece.

    Args:
        model: What plays it.
        piece: What is played.
        tell: Called about ten times a second.

    Returns:
        `[1, K, T]`: what the track carries on from first, if it does so, then all of the track's frames.
    """
    import torch

    parts: list[torch.Tensor] = [] if piece.before is None else [piece.before]
    with _seeded(piece.seed), _all_cores():
        for window in piece.windows:
            heard = torch.cat(parts, dim=-1)[..., -window.prompt :] if window.prompt else None
            codes = _generated(model, piece, window, heard, _Meter(piece.windows, window, tell))
            parts.append(codes[..., window.prompt :])
    return torch.cat(parts, dim=-1)


def _generated(
    model: Model, piece: Piece, window: Window, heard: torch.Tensor | None, meter: Callable[[int, int], None]
) -> torch.Tensor:
    """Prompt and new frames of one window `[1, K, length]`."""
    attributes = _conditions(model.musicgen, piece, window)
    if model.network is not None:
        return _by_our_decoder(model, piece, window, heard, attributes, meter)
    lm = model.musicgen.lm
    with model.musicgen.autocast, _guidance(lm, piece.parameters):
        codes: torch.Tensor = lm.generate(
            heard,
            attributes,
            callback=meter,
            max_gen_len=window.length,
            **_sampling(piece.parameters, lm.card),
        )
    return codes


def _by_our_decoder(
    model: Model,
    piece: Piece,
    window: Window,
    heard: torch.Tensor | None,
    attributes: list[Any],
    meter: Callable[[int, int], None],
) -> torch.Tensor:
    """The same. Guidance in two passes and in one are the same thing here: nothing is padded."""
    import torch

    from tydust_assetgen.generate.musicgen.decoder.band import Stretch, solo
    from tydust_assetgen.generate.musicgen.decoder.conditions import conditions_of
    from tydust_assetgen.generate.musicgen.decoder.sampling import Sampling

    assert model.network is not None
    shape, asked = model.network.shape, piece.parameters
    prompt = torch.zeros((shape.codebooks, 0), dtype=torch.long) if heard is None else heard[0]
    stretch = Stretch(prompt, window.length, *conditions_of(model.musicgen.lm, attributes))
    sampling = Sampling(asked.temperature, min(asked.top_k, shape.card), asked.top_p, asked.cfg_coef)
    return solo(model.network, stretch, sampling, torch.default_generator, meter)[None]


def _sampling(parameters: MusicGenParameters, card: int) -> dict[str, Any]:
    return {
        "use_sampling": True,
        "temp": parameters.temperature,
        "top_k": min(parameters.top_k, card),
        "top_p": parameters.top_p,
        "cfg_coef": parameters.cfg_coef,
        "two_step_cfg": parameters.two_step_cfg,
    }


def _conditions(musicgen: Any, piece: Piece, window: Window) -> list[Any]:
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


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """All dice of one track. Demucs, which hears the melody, throws Python's own."""
    import torch

    state = random.getstate()
    torch.manual_seed(seed)
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


def wait_quietly() -> None:
    """To be called before torch is loaded. Threads of OpenMP wait for each other with their core at full speed, and
    beside other workers each of a step's many small waits then takes a time slice: 20 times slower, measured."""
    if "torch" not in sys.modules:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@contextmanager
def _all_cores() -> Iterator[None]:
    """Workers have one thread each, since they share the cores among themselves; a transformer on the CPU takes what
    there is, if its threads wait quietly. Its codes don't depend on their number: products are shared out by rows and
    columns, never by terms of a sum. The codec's sound would, in its last bits, and so it stays on one."""
    import torch

    before = torch.get_num_threads()
    if os.environ.get("OMP_WAIT_POLICY", "").upper() == "PASSIVE":
        torch.set_num_threads(min(os.cpu_count() or 1, CORES))
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _guidance(lm: Any, parameters: MusicGenParameters) -> Iterator[None]:
    """Guidance in two passes takes the model's own coefficient and not the one that is asked for; here it gets it."""
    own = lm.cfg_coef
    lm.cfg_coef = parameters.cfg_coef
    try:
        yield
    finally:
        lm.cfg_coef = own


class _Meter:
    """Counts the steps of a window, and tells of them now and then: a step takes a millisecond on a GPU."""

    def __init__(self, row: Sequence[Window], window: Window, tell: Tell) -> None:
        whole = sum(each.new for each in row)
        self._from, self._part = window.start / whole, window.new / whole
        self._tell = tell
        self._first = self._next = 0.0

    def __call__(self, step: int, steps: int) -> None:
        now = time.monotonic()
        if step == 1:  # it reads the words and all that is heard again, and is no measure of the others
            self._first, self._next = now, now + _TELL_S
        elif now >= self._next or step == steps:
            self._next = now + _TELL_S
            rate = (step - 1) / max(now - self._first, 1e-6)
            self._tell(min(self._from + self._part * step / steps, 1.0), f"{rate:.1f} steps/s")
