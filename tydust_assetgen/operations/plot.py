"""Draws a track as a picture: its waveform above its spectrogram, in a PNG.

matplotlib is an extra. It is used through its objects (`Figure`, the Agg canvas), so that no global state of it is
touched, and the same track gives the same bytes: no date and no version is written.
"""

from __future__ import annotations

import io
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from tydust_assetgen.audio import Audio, LoopPoints
from tydust_assetgen.errors import UnavailableError
from tydust_assetgen.flow import Facts
from tydust_assetgen.system import write_atomic

_INK, _PALE, _GRID = "#22223b", "#8d99ae", "#d9dde5"
_WAVE, _BODY, _LOOP = "#5a67d8", "#2b3a9e", "#e4572e"
_SHADES = ("#eef0fb", "#fdf1e7")
_FONT = {"family": "DejaVu Sans"}
_LOWEST_HZ = 40.0
_BANDS = 320
_WINDOW_S = 0.093
_FINER = 4
"""Zero padding, for bass bands that are narrower than a bin."""
_COLUMNS = 1400
_RANGE_DB = 80.0


def plot(audio: Audio, facts: Facts, loop: LoopPoints | None, title: str, path: Path) -> None:
    """Draw a track into a PNG of 1600 by 900 pixels.

    Args:
        audio: The track.
        facts: Its sections are shaded and named; key, tempo and bars stand beside the title.
        loop: Where a player jumps; marked in both pictures.
        title: Such as the slot's name.
        path: The file to write; an existing one is replaced.

    Raises:
        UnavailableError: matplotlib is not installed.
    """
    figure = _figure()
    wave, bands = figure.subplots(2, 1, sharex=True, height_ratios=(1, 1.55))
    _draw_sections(wave, facts)
    _draw_wave(wave, audio)
    image = _draw_bands(bands, audio)
    _draw_loop((wave, bands), audio, loop)
    _draw_words(wave, bands, audio, facts, title)
    figure.colorbar(image, ax=(wave, bands), pad=0.012, aspect=45, label="dB under the loudest")
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    write_atomic(path, file.getvalue(), durable=False)


def _figure() -> Any:
    try:
        figure = import_module("matplotlib.figure").Figure(figsize=(16, 9), dpi=100, layout="constrained")
        import_module("matplotlib.backends.backend_agg").FigureCanvasAgg(figure)
    except ImportError as error:
        raise UnavailableError("a plot needs matplotlib", hint='pip install "tydust-assetgen[plot]"') from error
    return figure


def _draw_sections(axes: Any, facts: Facts) -> None:
    for index, section in enumerate(facts.sections):
        end_s = section.start_s + section.length_s
        axes.axvspan(section.start_s, end_s, color=_SHADES[index % 2], linewidth=0, zorder=0)
        middle_s = section.start_s + section.length_s / 2
        axes.text(middle_s, 1.04, section.name, ha="center", va="center", color=_INK, fontsize=11, **_FONT)


def _draw_wave(axes: Any, audio: Audio) -> None:
    """The outline of the samples, and the effective level inside it."""
    edges = np.arange(min(_COLUMNS, audio.frames)) * audio.frames // min(_COLUMNS, audio.frames)
    lowest = np.minimum.reduceat(audio.samples.min(axis=0), edges)
    highest = np.maximum.reduceat(audio.samples.max(axis=0), edges)
    power = np.add.reduceat((audio.samples.astype(np.float64) ** 2).mean(axis=0), edges)
    level = np.sqrt(power / np.diff(np.append(edges, audio.frames)))
    seconds = edges / audio.rate_hz
    axes.fill_between(seconds, lowest, highest, color=_WAVE, alpha=0.55, linewidth=0, step="post")
    axes.fill_between(seconds, -level, level, color=_BODY, linewidth=0, step="post")


def _draw_bands(axes: Any, audio: Audio) -> Any:
    levels = _bands_db(audio)
    octaves = np.log2(_edges_hz(audio.rate_hz)[[0, -1]])
    extent = (0, audio.duration_s, *octaves)
    scale: dict[str, Any] = {"cmap": "magma", "vmin": -_RANGE_DB, "vmax": 0}
    return axes.imshow(levels, origin="lower", aspect="auto", extent=extent, interpolation="nearest", **scale)


def _edges_hz(rate_hz: int) -> NDArray[np.float64]:
    return np.geomspace(_LOWEST_HZ, min(rate_hz / 2, 20_000.0), _BANDS + 1)


def _bands_db(audio: Audio) -> NDArray[np.float64]:
    """Power in bands of equal width in octaves, `[bands, columns]`, in dB under the loudest."""
    size = 1 << round(np.log2(_WINDOW_S * audio.rate_hz))
    columns = min(_COLUMNS, max(audio.frames // 64, 1))
    mono = np.pad(audio.samples.mean(axis=0), size // 2)
    starts = (np.arange(columns) + 0.5) * audio.frames / columns
    powers = np.empty((_BANDS, columns))
    window = np.hanning(size).astype(np.float32)
    for column, start in enumerate(starts.astype(np.intp)):
        spectrum = np.abs(scipy.fft.rfft(mono[start : start + size] * window, size * _FINER)) ** 2
        powers[:, column] = _band_powers(spectrum, audio.rate_hz / (size * _FINER), _edges_hz(audio.rate_hz))
    return np.asarray(10 * np.log10(np.maximum(powers / max(powers.max(), 1e-30), 1e-12)))


def _band_powers(spectrum: NDArray[np.float64], bin_hz: float, edges_hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean power in each band: the difference of the running sum at its edges, which may fall between two bins."""
    running = np.concatenate(([0.0], np.cumsum(spectrum, dtype=np.float64)))
    at_edges = np.interp(edges_hz / bin_hz + 0.5, np.arange(len(running)), running)
    return np.asarray(np.diff(at_edges) / np.diff(edges_hz / bin_hz))


def _draw_loop(plots: tuple[Any, Any], audio: Audio, loop: LoopPoints | None) -> None:
    if loop is None:
        return
    for frames, side, word in ((loop.start_frames, "left", "loop start"), (loop.end_frames, "right", "loop end")):
        second = frames / audio.rate_hz
        for axes in plots:
            axes.axvline(second, color=_LOOP, linewidth=2, clip_on=False, zorder=5)
        words = f" {word} {second:.3f} s "
        plots[0].text(second, -0.94, words, ha=side, va="center", color=_LOOP, fontsize=10, **_FONT)


def _draw_words(wave: Any, bands: Any, audio: Audio, facts: Facts, title: str) -> None:
    wave.set_title(title, loc="left", fontsize=16, color=_INK, pad=18, **_FONT)
    wave.set_title(_summary(audio, facts), loc="right", fontsize=11, color=_PALE, pad=18, **_FONT)
    wave.set_xlim(0, audio.duration_s)
    wave.set_ylim(-1.05, 1.12 if facts.sections else 1.05)
    wave.set_yticks((-1, -0.5, 0, 0.5, 1))
    wave.set_ylabel("level", color=_INK)
    wave.grid(axis="y", color=_GRID, linewidth=0.6)
    wave.set_axisbelow(True)
    ticks = [hz for hz in (50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000) if hz <= audio.rate_hz / 2]
    bands.set_yticks(np.log2(ticks), [f"{hz // 1000} k" if hz >= 1000 else str(hz) for hz in ticks])
    bands.set_ylabel("frequency (Hz)", color=_INK)
    bands.set_xlabel("time (s)", color=_INK)
    for axes in (wave, bands):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(colors=_INK, labelsize=10)


def _summary(audio: Audio, facts: Facts) -> str:
    parts = [facts.key, f"{facts.bpm:g} BPM" if facts.bpm else "", f"{facts.bars} bars" if facts.bars else ""]
    sides = {1: "mono", 2: "stereo"}.get(audio.channels, f"{audio.channels} channels")
    parts += [f"{audio.duration_s:.2f} s", f"{audio.rate_hz / 1000:g} kHz {sides}"]
    return "  ·  ".join(part for part in parts if part)
