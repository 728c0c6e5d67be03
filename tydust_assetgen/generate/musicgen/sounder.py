"""From codes to sound, beside the playing. In walk codes as pieces end, out walk their sounds.

On a GPU the codec works in a thread and a stream of its own, while the next tokens are drawn; on a CPU the two would
only take the cores from each other, and a sound is made when its codes are there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Any, TypeAlias

import torch

from tydust_assetgen.generate.musicgen.sound import decoded

Ended: TypeAlias = Iterator[tuple[int, torch.Tensor]]
"""Indices and codes `[1, K, T]`, or samples `[C, n]` in main memory."""
Tell: TypeAlias = Callable[[int, float], None]


class Sounder:
    """A codec at work.

    Args:
        codec: audiocraft's compression model.
        beside: whether to work in a thread of its own; without, where the codec is on a GPU.
    """

    def __init__(self, codec: Any, *, beside: bool | None = None) -> None:
        self._codec = codec
        self._device = next(codec.parameters()).device
        self._beside = self._device.type == "cuda" if beside is None else beside
        self._stream = torch.cuda.Stream(self._device) if self._device.type == "cuda" else None

    def sounds(self, ended: Ended, tell: Tell) -> Ended:
        """The sound of each piece that has ended."""
        if not self._beside:
            for index, codes in ended:
                yield index, self._sound(codes, partial(tell, index))
            return
        with ThreadPoolExecutor(1, thread_name_prefix="codec") as thread:
            yield from self._sounds_beside(ended, tell, thread)

    def _sounds_beside(self, ended: Ended, tell: Tell, thread: ThreadPoolExecutor) -> Ended:
        at_work: dict[Future[torch.Tensor], int] = {}
        for index, codes in ended:
            self._hand_over(codes)
            at_work[thread.submit(self._sound, codes, partial(tell, index))] = index
            yield from _ready(at_work, [future for future in at_work if future.done()])
        while at_work:
            yield from _ready(at_work, wait(at_work, return_when=FIRST_COMPLETED).done)

    def _hand_over(self, codes: torch.Tensor) -> None:
        """The codec's stream waits until the codes are there, and they stay until it has read them."""
        if self._stream is not None:
            self._stream.wait_stream(torch.cuda.current_stream(self._device))
            codes.record_stream(self._stream)

    def _sound(self, codes: torch.Tensor, tell: Callable[[float], None]) -> torch.Tensor:
        with torch.no_grad(), torch.cuda.stream(self._stream):
            return decoded(self._codec, codes, progress=tell).float().cpu()


def _ready(at_work: dict[Future[torch.Tensor], int], done: Any) -> Ended:
    for future in done:
        yield at_work.pop(future), future.result()
