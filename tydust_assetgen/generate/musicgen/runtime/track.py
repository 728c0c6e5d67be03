"""A track that is to be decoded: its request, its conditions, and its way through our own decoder window by window."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch

from tydust_assetgen.generate.musicgen.decoder.engine import Transformer
from tydust_assetgen.generate.musicgen.decoder.requests import Sampling, WindowRequest, encode_conditions
from tydust_assetgen.generate.musicgen.runtime.melody import circular_slice
from tydust_assetgen.generate.musicgen.runtime.text_encoder import let_go
from tydust_assetgen.generate.musicgen.spec.parameters import MusicGenParameters
from tydust_assetgen.generate.musicgen.spec.windows import Window

StepCallback: TypeAlias = Callable[[int, int], None]
"""Called with the number of steps that are done, and how many there are."""
Conditions: TypeAlias = tuple[torch.Tensor, torch.Tensor]
"""Conditional and unconditional, as `encode_conditions` gives them."""


class ConditionCache:
    """Encoded texts. Each is encoded once, however many tracks and windows use it."""

    def __init__(self, musicgen: Any) -> None:
        self._musicgen = musicgen
        self._read: dict[str, Conditions] = {}

    def preload(self, requests: Iterable[TrackRequest]) -> None:
        """Encode the texts of tracks without a melody in advance. If no track has a melody, the text encoder's memory
        is given back: there is the more for rows."""
        every = list(requests)
        for request in every:
            for window in request.windows if request.melody is None else ():
                self.conditions(request, window, PythonRng(request.seed))
        if all(request.melody is None for request in every):
            let_go(self._musicgen.lm)

    def conditions(self, request: TrackRequest, window: Window, python_rng: PythonRng) -> Conditions:
        """Of a window."""
        if request.melody is not None:
            return self._encode(request, window, python_rng)
        text = request.texts[window.text]
        if text not in self._read:
            self._read[text] = self._encode(request, window, python_rng)
        return self._read[text]

    def _encode(self, request: TrackRequest, window: Window, python_rng: PythonRng) -> Conditions:
        attributes = condition_attributes(self._musicgen, request, window)
        with python_rng.active(), self._musicgen.autocast:
            return encode_conditions(self._musicgen.lm, attributes)


class DecoderTrack:
    """A track in our own decoder. Satisfies `decoder.requests.Track`.

    Args:
        request: what is decoded.
        condition_cache: encodes its texts and its melody.
        network: what decodes it.
        make_callback: makes what is called after each step of a window.
    """

    def __init__(
        self,
        request: TrackRequest,
        condition_cache: ConditionCache,
        network: Transformer,
        make_callback: Callable[[Window], StepCallback],
    ) -> None:
        asked, shape = request.parameters, network.shape
        self.sampling = Sampling(asked.temperature, min(asked.top_k, shape.card), asked.top_p, asked.cfg_coef)
        self.rng = torch.Generator(network.device).manual_seed(request.seed)
        self._request, self._condition_cache, self._make_callback = request, condition_cache, make_callback
        self._python_rng = PythonRng(request.seed)
        self._waiting = list(request.windows)
        nothing = torch.zeros((shape.codebooks, 0), dtype=torch.long, device=network.device)
        self._codes = nothing if request.before is None else request.before[0]

    def next_window(self) -> WindowRequest | None:
        """The next window; its prompt is the end of what there is already."""
        if not self._waiting:
            return None
        self._window = self._waiting.pop(0)
        self.report = self._make_callback(self._window)
        prompt = self._codes[:, self._codes.shape[1] - self._window.prompt :]
        conditions = self._condition_cache.conditions(self._request, self._window, self._python_rng)
        return WindowRequest(prompt, self._window.length, *conditions)

    def finish_window(self, codes: torch.Tensor) -> None:
        """Keep what is new of a window."""
        self._codes = torch.cat([self._codes, codes[:, self._window.prompt :]], dim=-1)

    @property
    def codes(self) -> torch.Tensor:
        """`[1, K, T]`: what the track continues, if it does so, then all that was decoded."""
        return self._codes[None].clone()  # out of inference mode it is a tensor like any other


TrackProgress: TypeAlias = Callable[[float, str], None]
"""Called with the share that is done, 0.0 to 1.0, and a note such as the speed."""


@dataclass(frozen=True)
class TrackRequest:
    """All that decides the codes of a track, but for the model."""

    texts: tuple[str, ...]
    windows: tuple[Window, ...]
    seed: int
    parameters: MusicGenParameters
    melody: torch.Tensor | None = None  # [C, n] at the model's rate
    before: torch.Tensor | None = None  # [1, K, P], codes that the track continues


class PythonRng:
    """The state of Python's own `random` for one track. Demucs draws from it when it separates the melody: it gets the
    same numbers whatever other tracks draw in between."""

    def __init__(self, seed: int) -> None:
        self._state = random.Random(seed).getstate()  # noqa: S311  no secret depends on it

    @contextmanager
    def active(self) -> Iterator[None]:
        """While it lasts, Python's `random` continues from this state."""
        others = random.getstate()
        random.setstate(self._state)
        try:
            yield
        finally:
            self._state = random.getstate()
            random.setstate(others)


def condition_attributes(musicgen: Any, request: TrackRequest, window: Window) -> list[Any]:
    """audiocraft's condition attributes of a window. Each has a batch of its own: in a common one, shorter texts would
    attend to the padding."""
    melody = None if request.melody is None else [_melody_of_window(musicgen, request, window)]
    return list(musicgen._prepare_tokens_and_attributes([request.texts[window.text]], None, melody)[0])


def _melody_of_window(musicgen: Any, request: TrackRequest, window: Window) -> torch.Tensor:
    """The melody under a window. A track of one window gets it whole and the model repeats it, as audiocraft does."""
    assert request.melody is not None
    if len(request.windows) == 1 and not window.prompt:
        return request.melody
    start = int(window.prompt_start / musicgen.frame_rate * musicgen.sample_rate)
    return circular_slice(request.melody, start, int(musicgen.max_duration * musicgen.sample_rate))
