"""Whole renderings: loops that close, levels, determinism."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from tests.composer.synth.scores import small_score
from tydust_assetgen.generate.composer.synth import SAMPLE_RATE_HZ, render


@pytest.fixture(scope="module")
def loop() -> np.ndarray:
    return render(small_score()).samples


def test_a_loop_is_exactly_as_long_as_its_bars() -> None:
    score = small_score(bpm=97.3)
    rendering = render(score)
    assert rendering.loop_frames == round(score.duration_s * SAMPLE_RATE_HZ)
    assert rendering.tail_frames == 0


def test_the_seam_of_a_loop_is_no_larger_than_its_own_steps(loop: np.ndarray) -> None:
    steps = np.abs(np.diff(loop, axis=1))
    seam = np.abs(loop[:, 0] - loop[:, -1])
    assert np.all(seam <= np.percentile(steps, 99.9, axis=1))


def test_peaks_stay_under_full_scale_and_there_is_no_dc(loop: np.ndarray) -> None:
    assert 0.1 < np.max(np.abs(loop)) < 0.9
    assert np.all(np.abs(np.mean(loop, axis=1)) < 1e-3)


def test_another_process_renders_the_same_samples(loop: np.ndarray) -> None:
    code = (
        "import hashlib; from tests.composer.synth.scores import small_score;"
        "from tydust_assetgen.generate.composer.synth import render;"
        "print(hashlib.sha256(render(small_score()).samples.tobytes()).hexdigest())"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == hashlib.sha256(loop.tobytes()).hexdigest()
