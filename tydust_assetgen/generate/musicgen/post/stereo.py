"""Stereo width for the sound of a mono model: two channels from one, whose mean is that one again.

`L = m + s`, `R = m - s`. The side `s` is the mono sound sent through a chain of all-pass filters that delays every
frequency by another time, so that it is loud where it was loud, bright where it was bright, and yet unlike it; what
is below 200 Hz is left out, so that the bass stays in the middle. `(L + R) / 2` is `m` whatever `s` is: on a mono
loudspeaker nothing is coloured or lost. (The complementary pair is from H. Lauridsen, 1954; the chain of all-passes
with random poles from E. Kermit-Canfield and J. Abel, "Signal decorrelation using perceptually informed allpass
filters", DAFx 2016.)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import signal

SIDE_GAIN = 0.6
"""Of the side at width 1: the channels' correlation is then (1 - g²) / (1 + g²), 0.47, above the bass."""
BASS_HZ = 200.0
LONGEST_S = 0.02
"""No frequency is delayed by more than about this, under the time in which a second attack would be heard (the echo
threshold: 5 ms for clicks to 50 ms for music; J. Blauert, "Spatial Hearing", 1997, section 3.1.2)."""
TURNS_A_THIRD = 2.0
"""Turns of the phase in a third of an octave. Sound and side add up in one half of a turn and cancel in the other; with
whole turns inside what the ear hears as one band, no band gains or loses."""
_SEED = 20
_THIRD = 2 ** (1 / 6) - 2 ** (-1 / 6)


def widen(mono: NDArray[np.float32], rate_hz: int, width: float) -> NDArray[np.float32]:
    """Two channels from one.

    Args:
        mono: `[1, n]`.
        width: 0.0 (both channels are the mono sound, to the bit) to 1.0 (their correlation is about 0.5).

    Returns:
        `[2, n]`; `(L + R) / 2` is `mono` but for float rounding. Each channel is up to 1.5 dB louder than `mono`.
    """
    if width <= 0 or not mono.shape[1]:
        return np.repeat(mono, 2, axis=0)
    middle = mono[0].astype(np.float64)
    side = width * SIDE_GAIN * signal.sosfilt(_chain(rate_hz), middle)
    return np.stack([middle + side, middle - side]).astype(np.float32)


def _chain(rate_hz: int) -> NDArray[np.float64]:
    """The high-pass and the all-passes, as second-order sections `[sections, 6]`."""
    high_pass = signal.butter(4, BASS_HZ, "highpass", fs=rate_hz, output="sos")
    return np.concatenate([high_pass, *(_all_pass(hz, width, rate_hz) for hz, width in _poles(rate_hz))])


def _poles(rate_hz: int) -> list[tuple[float, float]]:
    """Where the phase turns, and over how many Hz. One turn in `w` Hz is a delay of `1 / w` seconds."""
    rng = np.random.default_rng(_SEED)
    hz, poles = BASS_HZ / 2, []
    while hz < 0.49 * rate_hz:
        width = max(1 / LONGEST_S, hz * _THIRD / TURNS_A_THIRD) * rng.uniform(0.6, 1.4)
        poles.append((hz + width / 2, width))
        hz += width
    return poles


def _all_pass(hz: float, width_hz: float, rate_hz: int) -> NDArray[np.float64]:
    """A pair of poles at `hz`, mirrored by zeros outside the circle: all frequencies pass, and the phase turns once.

    The bandwidth of a pole of radius `r` is `-ln(r) * rate / pi` Hz (J. O. Smith, "Introduction to Digital Filters",
    appendix E); as wide as the distance of the poles, so that neighbouring turns run into each other.
    """
    radius = np.exp(-np.pi * width_hz / rate_hz)
    a1, a2 = -2 * radius * np.cos(2 * np.pi * hz / rate_hz), radius * radius
    return np.array([[a2, a1, 1.0, 1.0, a1, a2]])
