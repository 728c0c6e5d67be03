"""Short-time spectra, which the measures of key, tempo, seams and loops share.

Slices keep the memory small: a ten-minute track never has its whole spectrogram in memory.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import fft, signal

from tydust_assetgen.audio import Audio

_SLICE_FRAMES = 512


def mono(audio: Audio, at_least_hz: int) -> tuple[NDArray[np.float32], int]:
    """The mean of the channels, decimated by the largest whole factor that keeps `at_least_hz`.

    Returns:
        Samples `[frames]` float32 and their rate in Hz (rounded; exact for the usual rates).
    """
    mixed = audio.samples.mean(axis=0, dtype=np.float32)
    factor = max(1, audio.rate_hz // at_least_hz)
    if factor == 1 or mixed.size == 0:
        return mixed, audio.rate_hz
    return np.asarray(signal.resample_poly(mixed, 1, factor), dtype=np.float32), audio.rate_hz // factor


def power_spectra(samples: NDArray[np.float32], size: int, hop: int) -> Iterator[NDArray[np.float32]]:
    """Power under a Hann window, `[up to 512 windows, size // 2 + 1]` a slice. Whole windows only."""
    if samples.size < size:
        return
    window = signal.windows.hann(size, sym=False).astype(np.float32)
    view = np.lib.stride_tricks.sliding_window_view(samples, size)[::hop]
    for first in range(0, len(view), _SLICE_FRAMES):
        spectrum = fft.rfft(view[first : first + _SLICE_FRAMES] * window, axis=1)
        yield np.asarray(np.square(spectrum.real) + np.square(spectrum.imag), dtype=np.float32)


def band_matrix(size: int, rate_hz: int, bands: int, low_hz: float, high_hz: float) -> NDArray[np.float32]:
    """Triangles evenly spaced on the mel scale, `[size // 2 + 1, bands]`.

    Mel after D. O'Shaughnessy, "Speech Communication" (1987): `2595 log10(1 + f / 700)`.
    """
    mels = np.linspace(_mel(low_hz), _mel(min(high_hz, rate_hz / 2)), bands + 2)
    edges = 700 * (10 ** (mels / 2595) - 1)
    frequencies = np.arange(size // 2 + 1) * rate_hz / size
    rising = (frequencies[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - frequencies[:, None]) / (edges[2:] - edges[1:-1])
    triangles = np.maximum(np.minimum(rising, falling), 0)
    # A band narrower than a bin would be empty: it takes the bin that is nearest to its centre.
    nearest = np.round(edges[1:-1] * size / rate_hz).astype(int)
    triangles[nearest, np.arange(bands)] = np.maximum(triangles[nearest, np.arange(bands)], 0.5)
    return triangles.astype(np.float32)


def band_powers(
    samples: NDArray[np.float32], rate_hz: int, size: int, hop: int, bands: int, low_hz: float = 30.0
) -> NDArray[np.float32]:
    """Power in mel bands over time, `[windows, bands]`, from `low_hz` to half the rate."""
    matrix = band_matrix(size, rate_hz, bands, low_hz, rate_hz / 2)
    slices = [power @ matrix for power in power_spectra(samples, size, hop)]
    return np.concatenate(slices) if slices else np.zeros((0, bands), dtype=np.float32)


def _mel(hertz: float) -> float:
    return float(2595 * np.log10(1 + hertz / 700))
