"""The bus: what happens to the whole mix. Bends the peaks a little, distorts on demand, keeps under full scale.

In walks the mix, out walks the piece. Nothing here remembers, so the seam of a loop stays what it was; the filters of
the oversampled drive look around the corner: over the end of a loop they see its beginning.
"""

from __future__ import annotations

import numpy as np
from scipy.signal import firwin, upfirdn

from tydust_assetgen.generate.composer.synth.signal import Floats, frames

CEILING = 0.89
"""-1 dBFS; the finishing room sets the loudness."""
_STRETCH = 1 << 16
_HALF = 24
_HALF_BAND = firwin(4 * _HALF + 1, 0.5, window=("kaiser", 8.0)).astype(np.float32)
_FADE_S = 0.05


def finished(total: Floats, drive: float, saturation: float, loops: bool) -> Floats:
    """The piece under its ceiling. Changes `total`, which nobody else has."""
    if drive > 0.0:
        total = _driven(total, drive, loops)
    _saturate(total, saturation)
    peak = float(np.max(np.abs(total), initial=0.0))
    if peak > CEILING:
        total *= np.float32(CEILING / peak)
    if not loops:
        count = frames(_FADE_S)
        total[:, -count:] *= (0.5 + 0.5 * np.cos(np.pi * np.arange(1, count + 1) / count)).astype(np.float32)
    return total


def _saturate(total: Floats, amount: float) -> None:
    """x - a x^3 up to its crest, flat beyond: rounds the highest peaks and leaves the rest alone.

    With a = 0.15 at most, the third harmonic of a tone at -12 dBFS lies some 60 dB under it.
    """
    if amount <= 0.0:
        return
    bend = np.float32(0.15 * amount)
    crest = np.float32(1.0 / np.sqrt(3.0 * float(bend)))
    for first in range(0, total.shape[1], _STRETCH):
        part = np.clip(total[:, first : first + _STRETCH], -crest, crest)
        total[:, first : first + _STRETCH] = part - bend * part * part * part


def _driven(total: Floats, drive: float, loops: bool) -> Floats:
    """Soft clipping of the mix at twice the rate, stretch by stretch, each with a look to both sides."""
    gain = np.float32(1.0 + 5.0 * drive)
    level = np.float32(1.0 / np.tanh(0.7 * float(gain)) * 0.7)
    result = np.empty_like(total)
    count = total.shape[1]
    for first in range(0, count, _STRETCH):
        end = min(first + _STRETCH, count)
        around = np.arange(first - 2 * _HALF, end + 2 * _HALF)
        wrapped = np.mod(around, count) if loops else np.clip(around, 0, count - 1)
        doubled = upfirdn(_HALF_BAND * np.float32(2.0), total[:, wrapped], 2, 1, axis=1)
        bent = np.tanh(doubled * gain) * level
        halved = upfirdn(_HALF_BAND, bent, 1, 2, axis=1)
        result[:, first:end] = halved[:, 4 * _HALF : 4 * _HALF + end - first]
    return result
