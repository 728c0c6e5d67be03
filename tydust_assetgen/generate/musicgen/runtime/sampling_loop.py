"""Generates the codes of tracks.

Our own decoder does it where it knows the model and the device, many tracks at once; else audiocraft's own loop, one
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
from tydust_assetgen.generate.musicgen.runtime.track import PythonRng, TrackProgress, TrackRequest, condition_attributes
from tydust_assetgen.generate.musicgen.spec.estimates import CORES
from tydust_assetgen.generate.musicgen.spec.parameters import MusicGenParameters
from tydust_assetgen.generate.musicgen.spec.requirements import ROUNDED
from tydust_assetgen.generate.musicgen.spec.windows import Window
from tydust_assetgen.system import cores

if TYPE_CHECKING:
    import torch

    from tydust_assetgen.generate.musicgen.runtime.load import Model

Progress: TypeAlias = Callable[[int, float, str], None]
"""Called with the index of a track, the share of it that is done, 0.0 to 1.0, and a note such as the speed."""
_TELL_S = 0.1


def generate_codes(
    model: Model, requests: Sequence[TrackRequest], tell: Progress, *, most: int | None = None
) -> Iterator[tuple[int, torch.Tensor]]:
    """The codes of tracks, many at once where our own decoder knows the model.

    Args:
        model: what decodes them.
        requests: what is decoded.
        tell: called about ten times a second for each.
        most: how many are decoded at once at most; without, as many as there is memory for.

    Yields:
        As each track ends its index and its codes `[1, K, T]`: first what it continues, if it does so, then all of its
        frames.
    """
    ours = {index: request for index, request in enumerate(requests) if not fallback_reason(model, request)}
    theirs = {index: request for index, request in enumerate(requests) if index not in ours}
    decoding = chain(_batched(model, ours, tell, most) if ours else (), _by_audiocraft(model, theirs, tell))
    while True:
        with _all_cores():
            ended = next(decoding, None)
        if ended is None:
            return
        yield ended


def fallback_reason(model: Model, request: TrackRequest) -> str:
    """Why audiocraft decodes a track, and not our own decoder; empty when that does.

    Raises:
        GenerationError: audiocraft can't decode it either, as its weights were rounded.
    """
    if model.network is None or model.network.shape.cross or not request.parameters.two_step_cfg:
        return model.refused
    if model.device == "cpu" and model.precision in ROUNDED:
        what = f"a CPU can't play `two_step_cfg` with a melody model in `{model.precision}`"
        raise GenerationError(what, hint='use `precision = "fp32"`, or leave `two_step_cfg` away')
    return "in two passes of guidance, what stands before the codes has two lengths"


def _batched(
    model: Model, requests: Mapping[int, TrackRequest], tell: Progress, most: int | None
) -> Iterator[tuple[int, torch.Tensor]]:
    from tydust_assetgen.generate.musicgen.decoder.batch_scheduler import BatchScheduler
    from tydust_assetgen.generate.musicgen.decoder.engine import Engine
    from tydust_assetgen.generate.musicgen.runtime.track import ConditionCache, DecoderTrack

    network = model.network
    assert network is not None
    conditions = ConditionCache(model.musicgen)
    conditions.preload(requests.values())
    rows = {
        DecoderTrack(request, conditions, network, partial(_Meter, request.windows, partial(tell, index))): index
        for index, request in requests.items()
    }
    frames = max(window.length for request in requests.values() for window in request.windows)
    at_once = min(len(requests), most or rows_that_fit(network, frames))
    engine = Engine(network, rows=at_once, frames=frames)
    try:
        for ended in BatchScheduler(engine).run(rows):
            assert isinstance(ended, DecoderTrack)
            yield rows[ended], ended.codes
    finally:  # many short rows would become as many long ones in the next batch, and gigabytes would lie idle till then
        network.free()


def _by_audiocraft(
    model: Model, requests: Mapping[int, TrackRequest], tell: Progress
) -> Iterator[tuple[int, torch.Tensor]]:
    import torch

    if requests and model.device == "cpu":
        model.musicgen.lm.float()  # audiocraft can't multiply with weights as they are stored
    for index, request in requests.items():
        torch.manual_seed(request.seed)
        with PythonRng(request.seed).active():
            codes = _decode_by_audiocraft(model, request, partial(tell, index))
        yield index, codes


def _decode_by_audiocraft(model: Model, request: TrackRequest, tell: TrackProgress) -> torch.Tensor:
    """One track, window by window."""
    import torch

    parts: list[torch.Tensor] = [] if request.before is None else [request.before]
    lm = model.musicgen.lm
    for window in request.windows:
        with model.musicgen.autocast, _guidance(lm, request.parameters):
            codes = lm.generate(
                torch.cat(parts, dim=-1)[..., -window.prompt :] if window.prompt else None,
                condition_attributes(model.musicgen, request, window),
                callback=_Meter(request.windows, tell, window),
                max_gen_len=window.length,
                **_sampling(request.parameters, lm.card),
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
    there is, if its threads wait passively. Its codes don't depend on their number: products are shared out by rows and
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
    """Counts the steps of a window, and reports them about ten times a second: a step takes a millisecond on a GPU."""

    def __init__(self, windows: Sequence[Window], tell: TrackProgress, window: Window) -> None:
        whole = sum(each.new for each in windows)
        self._from, self._part = window.start / whole, window.new / whole
        self._tell = tell
        self._first = self._next = 0.0

    def __call__(self, step: int, steps: int) -> None:
        now = time.monotonic()
        if step == 1:  # it reads the text and the prompt as well, and is no measure of the others
            self._first, self._next = now, now + _TELL_S
        elif now >= self._next or step == steps:
            self._next = now + _TELL_S
            rate = (step - 1) / max(now - self._first, 1e-6)
            self._tell(min(self._from + self._part * step / steps, 1.0), f"{rate:.1f} steps/s")
