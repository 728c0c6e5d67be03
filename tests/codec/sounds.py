"""Masters with known truth, for the tests of the codecs."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from tydust_assetgen.audio import Audio, LoopPoints
from tydust_assetgen.codec import Tags, encode
from tydust_assetgen.flow import Codec, Facts, Master, Output, Provenance

MADE_BY = Provenance(generator="test", version="1", licence="CC0-1.0")
TAGS = Tags(
    title="Phase 1: Calm — ünïcode",
    game="Tydust",
    prompt_digest="ab12" * 16,
    generator="composer",
    version="3",
    licence="CC0-1.0",
)


@functools.cache
def tune(rate_hz: int, frames: int, channels: int = 2) -> NDArray[np.float32]:
    """A chord with a little noise and a different balance on each side; it repeats exactly in `frames`."""
    turn = 2 * np.pi * np.arange(frames) / frames
    cycles = [round(hz * frames / rate_hz) for hz in (220.0, 554.0, 1318.0, 5000.0)]
    sides = [
        sum(0.12 * np.sin(count * turn + side + index) for index, count in enumerate(cycles))
        + 0.01 * np.random.default_rng(side).standard_normal(frames)
        for side in range(channels)
    ]
    return np.asarray(sides, np.float32)


def master(rate_hz: int = 44_100, frames: int = 100_003, channels: int = 2, loop: bool = True) -> Master:
    points = LoopPoints(0, frames) if loop else None
    return Master(Audio(tune(rate_hz, frames, channels), rate_hz), points, Facts(), MADE_BY)


def output(codec: Codec, **settings: object) -> Output:
    return Output(path=f"music/x.{codec}", codec=codec, **settings)  # type: ignore[arg-type]


@functools.cache
def encoded(codec: Codec, **settings: object) -> bytes:
    return encode(master(), output(codec, **settings), TAGS)


def signal_to_noise_db(clean: NDArray[np.float32], noisy: NDArray[np.float32]) -> float:
    error = noisy.astype(np.float64) - clean
    return float(10 * np.log10(np.mean(clean.astype(np.float64) ** 2) / max(np.mean(error**2), 1e-30)))


def level_dbfs(samples: NDArray[np.float32], hz: float, rate_hz: int) -> float:
    """Level of one frequency, through a window whose side lobes are far under -100 dB."""
    window = np.kaiser(samples.size, 20)
    wave = np.exp(-2j * np.pi * hz / rate_hz * np.arange(samples.size))
    return float(20 * np.log10(2 * abs(np.sum(samples * window * wave)) / window.sum()))
