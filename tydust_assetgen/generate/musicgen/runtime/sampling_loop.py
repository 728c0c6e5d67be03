"""Playing. In walk pieces, ready to be played, out walk their codes, as each ends.

Our own decoder plays where it knows the model and the device, many pieces at once; else audiocraft's own loop, one
after the other. Both give the same tokens.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

from tydust_assetgen.errors import GenerationError
from tydust_assetgen.generate.musicgen.runtime.memory import rows_that_fit
from tydust_assetgen.generate.musicgen.runtime.track import Dice, Piece, attributes_of
from tydust_assetgen.generate.musicgen.runtime.track import Tell as TellOne
from tydust_assetgen.generate.musicgen.spec.estimates import CORES
from tydust_assetgen.generate.musicgen.spec.parameters import MusicGenParameters
from tydust_assetgen.generate.musicgen.spec.requirements import ROUNDED
from tydust_assetgen.generate.musicgen.spec.windows import Window
from tydust_assetgen.system import cores

if TYPE_CHECKING:
    import torch

    from tydust_assetgen.generate.musicgen.runtime.load import Model

Tell: TypeAlias = Callable[[int, float, str], None]
"""Told the index of a piece, the share of it that is done, and how it goes."""
_TELL_S = 0.1


def play(
    model: Model, pieces: Sequence[Piece], tell: Tell, *, most: int | None = None
) -> Iterator[tuple[int, torch.Tensor]]:
    """The codes of pieces, many at once where our own decoder plays.

    Args:
        model: What plays them.
        pieces: What is played.
        tell: Called about ten times a second for each.
        most: How many are played at once at most; without, as many as there is memory for.

    Yields:
        As each piece ends its index and its codes `[1, K, T]`: what it carries on from first, if it does so, then all
        of its frames.
    """
    ours = {index: piece for index, piece in enumerate(pieces) if not refusal(model, piece)}
    theirs = {index: piece for index, piece in enumerate(pieces) if index not in ours}
    playing = chain(_together(model, ours, tell, most) if ours else (), _one_by_one(model, theirs, tell))
    while True:
        with _all_cores():
            ended = next(playing, None)
        if ended is None:
            return
        yield ended


def refusal(model: Model, piece: Piece) -> str:
    """Why audiocraft plays a piece, and not our own decoder; empty when that does.

    Raises:
        GenerationError: audiocraft can't play it either, as its weights were rounded.
    """
    if model.network is None or model.network.shape.cross or not piece.parameters.two_step_cfg:
        return model.refused
    if model.device == "cpu" and model.precision in ROUNDED:
        what = f"a CPU can't play `two_step_cfg` with a melody model in `{model.precision}`"
        raise GenerationError(what, hint='use `precision = "fp32"`, or leave `two_step_cfg` away')
    return "in two passes of guidance, what stands before the codes has two lengths"


def _together(
    model: Model, pieces: Mapping[int, Piece], tell: Tell, most: int | None
) -> Iterator[tuple[int, torch.Tensor]]:
    from tydust_assetgen.generate.musicgen.decoder.batch_scheduler import Band
    from tydust_assetgen.generate.musicgen.decoder.engine import Engine
    from tydust_assetgen.generate.musicgen.runtime.track import Row, Words

    network = model.network
    assert network is not None
    words = Words(model.musicgen)
    words.read(pieces.values())
    rows = {
        Row(piece, words, network, partial(_Meter, piece.windows, partial(tell, index))): index
        for index, piece in pieces.items()
    }
    frames = max(window.length for piece in pieces.values() for window in piece.windows)
    at_once = min(len(pieces), most or rows_that_fit(network, frames))
    engine = Engine(network, rows=at_once, frames=frames)
    try:
        for ended in Band(engine).play(rows):
            assert isinstance(ended, Row)
            yield rows[ended], ended.codes
    finally:  # many short rows would become as many long ones in the next play, and gigabytes would lie idle till then
        network.clear()


def _one_by_one(model: Model, pieces: Mapping[int, Piece], tell: Tell) -> Iterator[tuple[int, torch.Tensor]]:
    import torch

    if pieces and model.device == "cpu":
        model.musicgen.lm.float()  # audiocraft can't multiply with weights as they are stored
    for index, piece in pieces.items():
        torch.manual_seed(piece.seed)
        with Dice(piece.seed).thrown():
            codes = _by_audiocraft(model, piece, partial(tell, index))
        yield index, codes


def _by_audiocraft(model: Model, piece: Piece, tell: TellOne) -> torch.Tensor:
    """One piece, window by window."""
    import torch

    parts: list[torch.Tensor] = [] if piece.before is None else [piece.before]
    lm = model.musicgen.lm
    for window in piece.windows:
        with model.musicgen.autocast, _guidance(lm, piece.parameters):
            codes = lm.generate(
                torch.cat(parts, dim=-1)[..., -window.prompt :] if window.prompt else None,
                attributes_of(model.musicgen, piece, window),
                callback=_Meter(piece.windows, tell, window),
                max_gen_len=window.length,
                **_sampling(piece.parameters, lm.card),
            )
        parts.append(codes[..., window.prompt :])
    return torch.cat(parts, dim=-1)


def _sampling(parameters: MusicGenParameters, card: int) -> dict[str, Any]:
    return {
        "use_sampling": True,
        "temp": parameters.temperature,
        "top_k": min(parameters.top_k, card),
        "top_p": parameters.top_p,
        "cfg_coef": parameters.cfg_coef,
        "two_step_cfg": parameters.two_step_cfg,
    }


@contextmanager
def _all_cores() -> Iterator[None]:
    """Workers have one thread each, since they share the cores among themselves; a transformer on the CPU takes what
    there is, if its threads wait quietly. Its codes don't depend on their number: products are shared out by rows and
    columns, never by terms of a sum. The codec's sound would, in its last bits, and so it stays on one."""
    import torch

    before = torch.get_num_threads()
    if os.environ.get("OMP_WAIT_POLICY", "").upper() == "PASSIVE":
        torch.set_num_threads(min(cores(), CORES))
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

    def __init__(self, windows: Sequence[Window], tell: TellOne, window: Window) -> None:
        whole = sum(each.new for each in windows)
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
