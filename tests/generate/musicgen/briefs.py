"""Briefs for the tests of MusicGen, on a checkpoint with windows of 4 s."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from tydust_assetgen.audio import Audio
from tydust_assetgen.flow import Brief, Scalar, Take
from tydust_assetgen.generate.musicgen import MusicGen
from tydust_assetgen.generate.musicgen.spec.parameters import MusicGenParameters
from tydust_assetgen.generate.protocol import Shelf

RATE_HZ = 32_000
TEXT = "calm synthwave in D minor, 90 BPM, warm pads"
EMPTY = Shelf(Path())


def brief_for(model: Path | str, duration_s: float = 1.0, seed: int = 7, **changes: Any) -> Brief:
    """A brief that plays once, unless something else is asked for."""
    given: dict[str, Scalar] = {"model": str(model), "extend_stride": 2.5, **changes.pop("parameters", {})}
    return Brief(
        generator="musicgen",
        prompt=changes.pop("prompt", TEXT),
        duration_s=duration_s,
        seed=seed,
        loop=changes.pop("loop", False),
        parameters=msgspec.to_builtins(msgspec.convert(given, MusicGenParameters)),
        **changes,
    )


def perform(made_by: MusicGen, brief: Brief, shelf: Shelf = EMPTY) -> Take:
    ((_, take),) = made_by.generate([brief], shelf, lambda *_: None)
    return take


def tune(seconds: float, rate_hz: int = RATE_HZ, channels: int = 1) -> Audio:
    """A rising line of tones, a quarter of a second each."""
    at = np.arange(round(seconds * rate_hz)) / rate_hz
    hz = 220 * 2 ** (np.floor(at * 4) % 12 / 12)
    line = (0.3 * np.sin(2 * np.pi * np.cumsum(hz) / rate_hz)).astype(np.float32)
    return Audio(np.repeat(line[None], channels, axis=0), rate_hz)
