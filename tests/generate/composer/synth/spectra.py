"""Measuring sound: spectra, centroids, loudness."""

from __future__ import annotations

import numpy as np
import pyloudnorm
from scipy import fft, signal

RATE_HZ = 44_100


def spectrum_db(sound: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies and level in dB under the highest line, through a Blackman-Harris window (side lobes -92 dB)."""
    windowed = np.asarray(sound, np.float64) * signal.windows.blackmanharris(len(sound))
    level = np.abs(fft.rfft(windowed)) + 1e-12
    return fft.rfftfreq(len(sound), 1.0 / RATE_HZ), 20.0 * np.log10(level / np.max(level))


def between_harmonics_db(sound: np.ndarray, base_hz: float, under_hz: float) -> float:
    """Highest level below `under_hz` that is no harmonic of `base_hz`."""
    bins_hz, level_db = spectrum_db(sound)
    apart = np.abs(bins_hz - base_hz * np.rint(bins_hz / base_hz))
    return float(np.max(level_db[(apart > 40.0) & (bins_hz > 40.0) & (bins_hz < under_hz)]))


def harmonic_db(sound: np.ndarray, base_hz: float, number: int) -> float:
    """Level of one harmonic under the highest line."""
    bins_hz, level_db = spectrum_db(sound)
    return float(np.max(level_db[np.abs(bins_hz - base_hz * number) < 8.0]))


def centroid_hz(sound: np.ndarray) -> float:
    """Centre of gravity of the power spectrum."""
    mono = np.mean(np.atleast_2d(sound), axis=0).astype(np.float64)
    power = np.abs(fft.rfft(mono)) ** 2
    return float(np.sum(fft.rfftfreq(len(mono), 1.0 / RATE_HZ) * power) / np.sum(power))


def decay_s(sound: np.ndarray, fall_db: float) -> float:
    """Time from the peak until the energy that is left has fallen by `fall_db` (Schroeder's backward integral)."""
    energy = np.sum(np.atleast_2d(sound).astype(np.float64) ** 2, axis=0)
    energy = energy[int(np.argmax(energy)) :]
    left_db = 10.0 * np.log10(np.cumsum(energy[::-1])[::-1] / np.sum(energy) + 1e-20)
    return float(np.argmax(left_db < -fall_db) / RATE_HZ)


def loudness_lufs(sound: np.ndarray) -> float:
    """Loudest momentary loudness (400 ms) of a note, by BS.1770's K-weighting."""
    stereo = np.vstack([sound, sound]) if len(sound) == 1 else sound
    window = int(0.4 * RATE_HZ)
    padded = np.pad(stereo, ((0, 0), (0, max(0, window - stereo.shape[1])))).astype(np.float64)
    for stage in pyloudnorm.Meter(RATE_HZ)._filters.values():
        padded = np.stack([stage.apply_filter(side) for side in padded])
    total = np.concatenate([[0.0], np.cumsum(np.sum(padded**2, axis=0))])
    return float(-0.691 + 10.0 * np.log10(np.max(total[window:] - total[:-window]) / window))
