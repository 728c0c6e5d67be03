"""What a loop finder listens to: `Audio` walks in, `SoundFrames` walk out: levels, chroma and onsets over time.

Distances between two moments are then a matter of subtraction: levels are in dB, and chroma is scaled so that two
chords without a common note are some 8 dB apart. All values are rounded to a 32nd of a dB, so that sums of their
squares are whole numbers that float32 holds exactly, in whatever order they are added.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tydust_assetgen.audio import Audio
from tydust_assetgen.measure.spectra import band_powers, mono, power_spectra

STEPS_PER_DB = 32.0
FLOOR_DB = 50.0
"""Under the loudest band of the whole sound; what is softer than this decides nothing."""
_CHROMA_DB = 6.0
"""Length of a chroma vector: two chords without a common note are sqrt(2) times as far apart."""
_AT_LEAST_HZ = 22_050
_WINDOW_S = 0.04
_CHROMA_S = 0.3
_BANDS = 40
_HOPS = 4
"""Windows of level for each window of chroma; also hops in a window of level."""
_LOWEST_HZ, _HIGHEST_HZ = 80.0, 2_000.0


@dataclass(frozen=True)
class SoundFrames:
    """Short-time analysis. Window `k` of levels is centred on second `(k + 2) / per_second`."""

    levels: NDArray[np.float32]
    """`[windows, 40]`: mel bands in 32nds of a dB over the floor, divided by the root of 40."""
    chroma: NDArray[np.float32]
    """`[windows / 4, 12]`: in 32nds of a dB; zero where nothing sounds."""
    onsets: NDArray[np.float32]
    """`[windows]`: the mean rise of the bands into this window, in dB."""
    per_second: float

    @property
    def loudness_db(self) -> NDArray[np.float32]:
        """Mean level of the bands over the floor, `[windows]`."""
        return np.asarray(self.levels.mean(axis=1) * (np.sqrt(_BANDS) / STEPS_PER_DB), dtype=np.float32)

    def merged(self, chroma_windows: int) -> NDArray[np.float32]:
        """Levels and chroma side by side, averaged over so many windows of chroma: `[windows, 52]`, rounded."""
        count = len(self.chroma) // chroma_windows
        levels = (
            self.levels[: count * chroma_windows * _HOPS].reshape(count, chroma_windows * _HOPS, _BANDS).mean(axis=1)
        )
        chroma = self.chroma[: count * chroma_windows].reshape(count, chroma_windows, 12).mean(axis=1)
        return np.asarray(np.round(np.concatenate((levels, chroma), axis=1)), dtype=np.float32)


def sound_frames(audio: Audio) -> SoundFrames:
    """Analyse a sound. Windows are 23 to 46 ms long, a quarter of that apart; a sound shorter than one gives none."""
    samples, rate_hz = mono(audio, _AT_LEAST_HZ)
    size = _power_of_two(_WINDOW_S * rate_hz)
    levels = _levels(band_powers(samples, rate_hz, size, size // _HOPS, _BANDS))
    count = len(levels) // _HOPS
    rises = np.maximum(np.diff(levels, axis=0, prepend=levels[:1]), 0).mean(axis=1)
    return SoundFrames(
        levels=np.round(levels[: count * _HOPS] * (STEPS_PER_DB / np.sqrt(_BANDS))),
        chroma=_chroma(samples, rate_hz, size, count),
        onsets=np.round(rises[: count * _HOPS] * STEPS_PER_DB) / np.float32(STEPS_PER_DB),
        per_second=rate_hz * _HOPS / size,
    )


def _power_of_two(frames: float) -> int:
    return int(2 ** round(np.log2(max(frames, 16))))


def _levels(powers: NDArray[np.float32]) -> NDArray[np.float32]:
    """In dB over the floor."""
    floor = np.float32(10 ** (-FLOOR_DB / 10))
    loudest = max(float(powers.max(initial=0.0)), 1e-20)
    return np.asarray(10 * np.log10(np.maximum(powers / loudest, floor)) + FLOOR_DB, dtype=np.float32)


def _chroma(samples: NDArray[np.float32], rate_hz: int, hop: int, count: int) -> NDArray[np.float32]:
    """Magnitudes folded into twelve pitch classes, each window of the same length unless it is all but silent."""
    size = _power_of_two(_CHROMA_S * rate_hz)
    padded = np.pad(samples, ((size - hop) // 2, size))
    matrix = _fold(size, rate_hz)
    slices = [np.sqrt(power) @ matrix for power in power_spectra(padded, size, hop)]
    chroma = np.concatenate(slices)[:count] if slices else np.zeros((count, 12), np.float32)
    length = np.linalg.norm(chroma, axis=1, keepdims=True)
    quiet = np.float32(max(float(length.max(initial=0.0)) * 1e-3, 1e-9))
    return np.asarray(np.round(chroma / np.maximum(length, quiet) * (_CHROMA_DB * STEPS_PER_DB)), dtype=np.float32)


def _fold(size: int, rate_hz: int) -> NDArray[np.float32]:
    """`[size // 2 + 1, 12]`: which pitch class each bin belongs to, A4 = 440 Hz."""
    hertz = np.arange(size // 2 + 1) * rate_hz / size
    heard = (hertz >= _LOWEST_HZ) & (hertz <= _HIGHEST_HZ)
    pitch = np.round(69 + 12 * np.log2(np.maximum(hertz, 1.0) / 440)).astype(np.int64)
    return np.asarray((pitch[:, None] % 12 == np.arange(12)) & heard[:, None], dtype=np.float32)
