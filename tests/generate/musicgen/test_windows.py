"""The plan of a long performance: every frame once, nothing empty, and audiocraft's own calls where it has them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tydust_assetgen.generate.musicgen.runtime.audiocraft_imports import prepare
from tydust_assetgen.generate.musicgen.spec.windows import Window, frames_of, joins, section_ends, windows

SEGMENT = 1500
STRIDES = st.integers(50, 1450)


def whole(frames: int, stride: int = 900, before: int = 0) -> tuple[Window, ...]:
    return windows([frames], segment=SEGMENT, stride=stride, before=before)


@given(ends=st.lists(st.integers(1, 30_000), min_size=1, max_size=20), stride=STRIDES, before=st.integers(0, 1500))
def test_every_frame_is_made_once_and_no_window_is_empty(ends: list[int], stride: int, before: int) -> None:
    ends = sorted(ends)
    row = windows(ends, segment=SEGMENT, stride=stride, before=before)
    at = 0
    for window in row:
        assert window.start == at
        assert window.new > 0
        assert 0 <= window.prompt <= SEGMENT - stride
        assert window.length <= SEGMENT
        assert window.prompt_start >= -before
        at += window.new
    assert at == ends[-1]


@given(ends=st.lists(st.integers(1, 30_000), min_size=1, max_size=20, unique=True), stride=STRIDES)
def test_each_text_leads_its_own_stretch(ends: list[int], stride: int) -> None:
    ends = sorted(ends)
    led = [0] * len(ends)
    for window in windows(ends, segment=SEGMENT, stride=stride):
        assert window.start + window.new <= ends[window.text]
        led[window.text] += window.new
    assert led == [end - start for start, end in zip([0, *ends], ends, strict=False)]


@given(frames=st.integers(1, 30_000), stride=STRIDES)
def test_all_that_fits_is_heard_again(frames: int, stride: int) -> None:
    """A window hears as much as it can: nothing is forgotten that could be heard."""
    for window in whole(frames, stride)[1:]:
        assert window.prompt == min(window.start, SEGMENT - stride)


def test_a_minute_as_audiocraft_makes_it() -> None:
    assert whole(3000) == (Window(0, 0, 1500, 0), Window(1500, 600, 900, 0), Window(2400, 600, 600, 0))


def test_sections_end_where_they_should() -> None:
    row = windows([600, 2400, 3000], segment=SEGMENT, stride=900)
    assert row == (
        Window(0, 0, 600, 0),
        Window(600, 600, 900, 1),
        Window(1500, 600, 900, 1),
        Window(2400, 600, 600, 2),
    )
    assert joins(row) == (600, 1500, 2400)


@given(frames=st.integers(1, 30_000), stride=STRIDES, before=st.integers(0, 1450))
def test_the_calls_are_audiocrafts_own(frames: int, stride: int, before: int) -> None:
    """audiocraft's own loop is run here, with a model that only writes down what it is asked for."""
    prompt = min(before, SEGMENT - stride)
    assert asked_by_audiocraft(frames, stride, prompt) == [
        (window.prompt, window.length, window.prompt_start + prompt) for window in whole(frames, stride, prompt)
    ]


def asked_by_audiocraft(frames: int, stride: int, before: int) -> list[tuple[int, int, int]]:
    """Prompt, length and offset of each call. Frames are exact in binary here (64 a second), as its own are not."""
    pytest.importorskip("audiocraft")
    prepare()
    import contextlib

    import torch
    from audiocraft.models.musicgen import MusicGen

    calls: list[tuple[int, int, int]] = []

    class Notes:
        def generate(self, prompt: Any, conditions: Any, *, max_gen_len: int, **_: Any) -> Any:
            calls.append((0 if prompt is None else prompt.shape[-1], max_gen_len, len(calls) * stride))
            return torch.zeros(1, 4, max_gen_len)

    asked: Any = MusicGen.__new__(MusicGen)
    asked.compression_model = SimpleNamespace(frame_rate=64)
    asked.lm, asked.autocast = Notes(), contextlib.nullcontext()
    asked._progress_callback, asked.device, asked.max_duration = None, "cpu", SEGMENT / 64
    asked.set_generation_params(duration=(frames + before) / 64, extend_stride=stride / 64)
    made = asked._generate_tokens([], torch.zeros(1, 4, before) if before else None)
    assert made.shape[-1] == frames + before
    return calls


@given(seconds=st.floats(0.5, 600), rate=st.sampled_from([25.0, 50.0, 75.0]))
def test_frames_hold_the_whole_length_and_no_more(seconds: float, rate: float) -> None:
    frames = frames_of(seconds, rate)
    assert frames >= seconds * rate - 1e-6
    assert frames - 1 < seconds * rate


def test_a_whole_number_of_frames_stays_one() -> None:
    assert [frames_of(seconds, 50) for seconds in (0.06, 0.14, 8.2, 62.66, 1e-9)] == [3, 7, 410, 3133, 1]


@given(lengths=st.lists(st.floats(0.1, 60), min_size=1, max_size=20), frames=st.integers(1, 30_000))
def test_section_ends_rise_to_the_end(lengths: list[float], frames: int) -> None:
    ends = section_ends(lengths, frames, 50)
    assert len(ends) == len(lengths)
    assert list(ends) == sorted(ends)
    assert ends[-1] == frames
    assert all(abs(end - sum(lengths[: n + 1]) * 50) <= 0.5001 or end == frames for n, end in enumerate(ends))
