"""The bus: what it takes away, what it adds, and that it goes round a circle."""

from __future__ import annotations

import numpy as np
import pytest

from tydust_assetgen.generate.composer.synth import bus

FRAMES = 100_003


def tone(hz: float, level: float = 0.5, count: int = FRAMES) -> np.ndarray:
    """A tone that closes on itself, the same on both sides."""
    turns = round(hz * count / 44_100) / count
    return np.tile(level * np.cos(2 * np.pi * turns * np.arange(count)), (2, 1)).astype(np.float32)


def gain_db(before: np.ndarray, after: np.ndarray) -> float:
    return float(20.0 * np.log10(np.sqrt(np.mean(after**2)) / np.sqrt(np.mean(before**2)) + 1e-9))


@pytest.mark.parametrize(
    ("hz", "low_db", "high_db"), [(6, -99, -44), (24, -6.5, -5.5), (60, -0.4, 0), (700, -0.01, 0.01)]
)
def test_rumble_goes_and_the_bass_stays(hz: float, low_db: float, high_db: float) -> None:
    sound = tone(hz)
    passed = sound.copy()
    bus._without_rumble(passed, True)
    assert low_db <= gain_db(sound, passed) <= high_db


@pytest.mark.parametrize(
    "step",
    [
        lambda sound: bus._without_rumble(sound, True),
        lambda sound: bus._brighten(sound, 0.8, True),
        lambda sound: bus._drive(sound, 0.5, True),
    ],
)
def test_a_turned_circle_comes_out_turned(step) -> None:  # type: ignore[no-untyped-def]
    noise = np.cumsum(np.random.default_rng(5).standard_normal((2, FRAMES)), axis=1)
    noise -= np.linspace(0, 1, FRAMES) * noise[:, -1:]
    sound = (0.3 * noise / np.max(np.abs(noise))).astype(np.float32)
    turned = np.roll(sound, 40_000, axis=1)
    step(sound)
    step(turned)
    assert np.max(np.abs(np.roll(sound, 40_000, axis=1) - turned)) < 1e-4


@pytest.mark.parametrize(("hz", "wanted_db"), [(300, 0.0), (3_000, 0.8), (6_000, 2.6), (10_000, 5.4), (16_000, 8.5)])
def test_air_lifts_the_top_and_nothing_else(hz: float, wanted_db: float) -> None:
    sound = tone(hz)
    bright = sound.copy()
    bus._brighten(bright, 1.0, True)
    assert gain_db(sound, bright) == pytest.approx(wanted_db, abs=0.1)


def test_drive_makes_harmonics_and_hardly_any_alias() -> None:
    count, turns = 1 << 16, 5_000
    driven = tone(turns * 44_100 / (1 << 16), 0.5, count)
    bus._drive(driven, 0.5, True)
    level_db = 20.0 * np.log10(np.abs(np.fft.rfft(driven[0])) / count * 2 + 1e-12)
    own = np.zeros(len(level_db), bool)
    own[::turns] = True
    assert level_db[3 * turns] > -20.0
    assert np.max(level_db[~own]) < -60.0
