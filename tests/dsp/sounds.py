"""Small sounds with known truth, for the tests of the ears: tones, chords, drums and whole little pieces."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from tydust_assetgen.audio import Audio

RATE_HZ = 44_100
Samples = NDArray[np.float64]
Progression = tuple[tuple[int, str], ...]

MINOR_LOOP: Progression = ((0, "m"), (8, "M"), (3, "M"), (10, "M"))  # i VI III VII
MINOR_CADENCE: Progression = ((0, "m"), (5, "m"), (7, "M"), (0, "m"))  # i iv V i
MAJOR_LOOP: Progression = ((0, "M"), (7, "M"), (9, "m"), (5, "M"))  # I V vi IV
MAJOR_CADENCE: Progression = ((0, "M"), (5, "M"), (7, "M"), (0, "M"))  # I IV V I
_TABLE = 4096
_HARMONICS = np.arange(1, 9)
_TIMBRES = {
    "sine": (_HARMONICS == 1) * 1.0,
    "saw": 1 / _HARMONICS,
    "square": (_HARMONICS % 2) / _HARMONICS,
    "pulse": np.abs(np.sin(np.pi * _HARMONICS / 4)) / _HARMONICS,
}


def times(duration_s: float, rate_hz: int = RATE_HZ) -> Samples:
    return np.arange(round(duration_s * rate_hz)) / rate_hz


def sine(hz: float, duration_s: float, dbfs: float = 0.0, rate_hz: int = RATE_HZ, phase: float = 0.0) -> Samples:
    return 10 ** (dbfs / 20) * np.sin(2 * np.pi * hz * times(duration_s, rate_hz) + phase)


def faded(samples: Samples, frames: int = 4410) -> Samples:
    ramp = np.sin(np.linspace(0, np.pi / 2, frames)) ** 2
    shape = np.ones(samples.size)
    shape[:frames], shape[-frames:] = ramp, ramp[::-1]
    return samples * shape


def audio(*channels: Samples, rate_hz: int = RATE_HZ) -> Audio:
    return Audio(np.stack(channels).astype(np.float32), rate_hz)


@lru_cache(maxsize=8)
def _table(timbre: str) -> Samples:
    angle = 2 * np.pi * np.arange(_TABLE) / _TABLE
    return np.asarray(_TIMBRES[timbre] @ np.sin(_HARMONICS[:, None] * angle))


@lru_cache(maxsize=512)
def tone(pitch: float, duration_s: float, timbre: str, rate_hz: int) -> Samples:
    """A note of eight harmonics with a 10 ms attack and a 30 ms release."""
    hz = 440 * 2 ** ((pitch - 69) / 12)
    position = np.arange(round(duration_s * rate_hz)) * (hz / rate_hz * _TABLE)
    wave = _table(timbre)[position.astype(np.int64) % _TABLE]
    attack, release = round(0.01 * rate_hz), round(0.03 * rate_hz)
    wave[:attack] *= np.linspace(0, 1, attack)
    wave[-release:] *= np.linspace(1, 0, release)
    return wave


@lru_cache(maxsize=16)
def drum(name: str, rate_hz: int) -> Samples:
    t = times({"kick": 0.25, "snare": 0.2, "hat": 0.06}[name], rate_hz)
    noise = np.random.default_rng(len(name)).standard_normal(t.size)
    if name == "kick":
        return np.asarray(np.sin(2 * np.pi * (45 * t + 4 * (1 - np.exp(-t * 30)))) * np.exp(-t * 14))
    if name == "snare":
        return np.asarray(0.4 * noise * np.exp(-t * 25))
    return np.asarray(0.2 * signal.lfilter([1, -0.95], [1], noise) * np.exp(-t * 80))


def place(target: Samples, sound: Samples, start_frames: int, gain: float = 1.0) -> None:
    """Mix a sound in; what rings past the end goes on at the beginning, as in an exact loop."""
    index = (start_frames + np.arange(sound.size)) % target.size
    np.add.at(target, index, sound * gain)


def chords(
    tonic: int,
    progression: Progression,
    bpm: float,
    bars: int,
    timbre: str = "saw",
    *,
    arpeggio: bool = False,
    rate_hz: int = RATE_HZ,
) -> Samples:
    """One chord a bar of four beats, with its root in the bass; held, or broken into eighths."""
    beat_s = 60 / bpm
    piece = np.zeros(round(bars * 4 * beat_s * rate_hz))
    for bar in range(bars):
        degree, quality = progression[bar % len(progression)]
        root = 60 + (tonic + degree) % 12
        notes = (root, root + (3 if quality == "m" else 4), root + 7)
        start_s = bar * 4 * beat_s
        place(piece, tone(root - 24, 4 * beat_s, timbre, rate_hz), round(start_s * rate_hz), 0.4)
        for step, note in enumerate(np.take(notes, (0, 1, 2, 1) * 2) if arpeggio else notes):
            length_s, begins_s = (beat_s / 2, start_s + step * beat_s / 2) if arpeggio else (4 * beat_s, start_s)
            sound = tone(int(note), length_s, timbre, rate_hz)
            place(piece, sound, round(begins_s * rate_hz), 0.3 if arpeggio else 0.2)
    return piece


_PATTERNS: dict[str, dict[str, tuple[float, ...]]] = {
    "straight": {"kick": (0, 2), "snare": (1, 3), "hat": (0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5)},
    "syncopated": {"kick": (0, 1.5, 3), "snare": (1, 3), "hat": (0.5, 1.5, 2.5, 3.5)},
    "four": {"kick": (0, 1, 2, 3), "hat": (0.5, 1.5, 2.5, 3.5)},
}


def drums(bpm: float, bars: int, pattern: str = "straight", *, rate_hz: int = RATE_HZ) -> Samples:
    """Bars of four beats: `straight`, `syncopated` (kicks 3-3-2, hats off the beat), `four` on the floor."""
    piece = np.zeros(round(bars * 240 / bpm * rate_hz))
    for bar in range(bars):
        for name, beats in _PATTERNS[pattern].items():
            for beat in beats:
                place(piece, drum(name, rate_hz), round((bar * 4 + beat) * 60 / bpm * rate_hz), 0.5)
    return piece
