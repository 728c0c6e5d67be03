"""Levels, chroma and onsets of a sound over time, on which loops and bars are looked for.

Distances between two moments are then a matter of subtraction: levels are in dB, and chroma is scaled so that two
chords without a common note are some 8 dB apart. All values are rounded to a 32nd of a dB, so that sums of their
squares are whole numbers that float32 holds exactly, in whatever order they are added.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from tydust_assetgen.audio import Audio
from tydust_assetgen.dsp.spectra import band_powers, mono, power_spectra

STEPS_PER_DB = 32.0
FLOOR_DB = 40.0
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
_BASS_BANDS = 6
"""Up to some 350 Hz."""
_BASS_WEIGHT = 0.3
"""Beside changes of chord: a bass sets in on other beats as well."""
_LEAST_CREST = 0.1
"""Of the onsets' whole strength: less than this repeats by chance."""


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

    def merged(self, chroma_windows: int, *, half_later: bool = False) -> NDArray[np.float32]:
        """Levels and chroma side by side, averaged over so many windows of chroma: `[windows, 52]`, rounded.

        With `half_later` each lies half its length later; there is one less of them.
        """
        windows = chroma_windows * _HOPS
        both = np.concatenate((self.levels, np.repeat(self.chroma, _HOPS, axis=0)), axis=1)
        both = both[windows // 2 if half_later else 0 :]
        count = len(both) // windows
        return np.asarray(
            np.round(both[: count * windows].reshape(count, windows, both.shape[1]).mean(axis=1)), dtype=np.float32
        )


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


def beat_windows(sound: SoundFrames, bpm: float) -> float:
    """The beat in windows, to about 0.02 %: the tempo is known to 0.2 %, and onsets repeat after 8, 16, 32, … beats.

    Whatever is found after some beats narrows down where to look after twice as many (F. Gouyon and others, "An
    Experimental Comparison of Audio Tempo Induction Algorithms", 2006, compares such refinements). Where nothing
    repeats, the given tempo stays.
    """
    period, doubt = 60 * sound.per_second / bpm, 0.002
    correlation = _autocorrelation(sound.onsets)
    beats = 8
    while (beats + 1) * period < 0.6 * len(sound.onsets):
        reach = max(round(beats * period * doubt), 1)
        lag = _crest(correlation, round(beats * period), reach)
        if lag == 0.0:
            break
        period, doubt = lag / beats, min(doubt, 1.5 / lag)
        beats *= 2
    return period


def bar_phase(sound: SoundFrames, beat: float, beats: int) -> float:
    """Where the first bar begins, in windows: on the beat where the bass sets in and chords change most often.

    Args:
        sound: what is heard.
        beat: windows in a beat.
        beats: how many make a bar.
    """
    first = _strongest_phase(sound.onsets, beat)
    bass = np.maximum(np.diff(sound.levels[:, :_BASS_BANDS], axis=0, prepend=sound.levels[:1, :_BASS_BANDS]), 0)
    change = np.repeat(_chord_changes(sound.chroma, max(round(beat / _HOPS), 1)), _HOPS)
    on_beats = [first + count * beat for count in range(beats)]
    chords, basses = (_means_at(sign, on_beats, beats * beat) for sign in (change, bass.sum(axis=1)))
    return on_beats[int(np.argmax(np.round(chords + _BASS_WEIGHT * basses, 6)))]


def _strongest_phase(strength: NDArray[np.float32], period: float) -> float:
    """Where in the period most lies, in windows: all periods laid over each other."""
    places = np.floor(np.arange(len(strength)) % period).astype(np.int64)
    summed = np.bincount(places, strength, minlength=int(period) + 1)
    return float(np.round(summed + np.roll(summed, 1) + np.roll(summed, -1), 6).argmax())


def _chord_changes(chroma: NDArray[np.float32], reach: int) -> NDArray[np.float64]:
    """How far the chroma of the beat to come is from that of the beat before, `[chroma windows]`."""
    total = np.pad(np.cumsum(chroma.astype(np.float64), axis=0), ((reach + 1, reach), (0, 0)), "edge")
    total[: reach + 1] = 0
    ahead, here, behind = total[2 * reach :], total[reach:-reach], total[: -2 * reach]
    return np.asarray(np.abs(ahead - 2 * here + behind).sum(axis=1)[:-1])


def _means_at(strength: NDArray[np.floating], beats: list[float], bar: float) -> NDArray[np.float64]:
    """The mean on each beat of the bar, all bars together, as a multiple of the mean of all beats."""
    highest = np.max([np.roll(strength, slide) for slide in (-1, 0, 1)], axis=0)
    places = [np.round(np.arange(first, len(strength), bar)).astype(np.int64) for first in beats]
    means = np.asarray([float(highest[np.minimum(at, len(strength) - 1)].mean()) if at.size else 0.0 for at in places])
    return np.asarray(means / max(float(means.mean()), 1e-9))


def _autocorrelation(onsets: NDArray[np.float32]) -> NDArray[np.float64]:
    centred = onsets.astype(np.float64) - onsets.mean(dtype=np.float64)
    size = fft.next_fast_len(2 * centred.size)
    return np.asarray(fft.irfft(np.abs(fft.rfft(centred, size)) ** 2, size)[: centred.size])


def _crest(correlation: NDArray[np.float64], lag: int, reach: int) -> float:
    """The crest of a correlation near a lag, between the windows (a parabola through three); 0 where there is none."""
    first = lag - reach
    best = first + int(correlation[first : lag + reach + 1].argmax())
    left, middle, right = correlation[best - 1 : best + 2]
    if not (middle > left and middle > right and middle > _LEAST_CREST * correlation[0]):
        return 0.0
    return float(best + 0.5 * (left - right) / (left - 2 * middle + right))


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
