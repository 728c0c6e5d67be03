"""Loops found in performances that were made without one: assetgen's finder beside PyMusicLooper.

OPENBLAS_NUM_THREADS=1 python benchmarks/loops.py [--looper PYTHON] [--json]

PYTHON is the Python of an environment of its own with `pymusiclooper` in it; without it only assetgen is measured.
Both are asked for the same: a loop within a bar of the wanted length. PyMusicLooper may choose any length from 35 % up
where it finds none there. Its loop is the cut that it proposes, as it exports it: it makes no cross-fade.

Columns: length asked and found; how far the length is from whole bars, in ms; the seam as `measure.seam` has it: jump
as a multiple of the 99th percentile, rise and fall beside their limits in dB; `added`: rise and fall beyond those that
the take itself has where the loop begins, in dB; whether the seam passes; `unlike`: how far, in dB, the two seconds
around the start are from those around the end (the mean over 40 bands); seconds of CPU it took.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from timing import table

from tydust_assetgen import dsp
from tydust_assetgen.audio import Audio, LoopPoints
from tydust_assetgen.dsp.beats import sound_frames
from tydust_assetgen.finish.looping import find_loop
from tydust_assetgen.flow import Brief, Facts
from tydust_assetgen.generate.composer import Composer
from tydust_assetgen.generate.protocol import Shelf

Samples = NDArray[np.float32]
HEADS = [
    "asked, s",
    "found, s",
    "off bars, ms",
    "jump",
    "rise / limit",
    "fall / limit",
    "added, dB",
    "ok",
    "unlike, dB",
    "CPU, s",
]
LOOPER = """
import json, sys, time
from pymusiclooper.core import MusicLooper
path, least, most = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
def best(looper):
    try:
        return looper.find_loop_pairs(min_loop_duration=least, max_loop_duration=most)[0]
    except Exception:
        return looper.find_loop_pairs()[0]
best(MusicLooper(path))  # once for numba
begun = time.process_time()
found = best(MusicLooper(path))
print(json.dumps([int(found.loop_start), int(found.loop_end), time.process_time() - begun]))
"""


@dataclass(frozen=True)
class Piece:
    """A performance, the length that is asked of the loop, and its bar (0: it has none)."""

    name: str
    audio: Audio
    near_s: float
    bar_s: float = 0.0


@dataclass(frozen=True)
class Found:
    """A loop as it would be played, and where it was."""

    samples: Samples
    start: int
    end: int
    took_s: float


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--looper", help="Python of an environment with pymusiclooper")
    words.add_argument("--only", default="", help="pieces whose name holds this")
    words.add_argument("--json", action="store_true", help="numbers for programs instead of a table")
    asked = words.parse_args()
    finders: dict[str, Callable[[Piece], Found | None]] = {"assetgen": ours}
    if asked.looper:
        finders["PyMusicLooper"] = lambda piece: theirs(piece, asked.looper)
    results = [
        (piece, name, finder(piece))
        for piece in pieces()
        if asked.only in piece.name
        for name, finder in finders.items()
    ]
    if asked.json:
        print(json.dumps([numbers(*result) for result in results], indent=2))
    else:
        rows = {f"{piece.name}: {name}": cells(numbers(piece, name, found)) for piece, name, found in results}
        table("loops found in performances", rows, HEADS)


def ours(piece: Piece) -> Found:
    """As finishing finds it: the tempo is not told."""
    begun = time.process_time()
    found = find_loop(piece.audio, Facts(near_frames=round(piece.near_s * piece.audio.rate_hz)))
    return Found(found.samples, found.span.start, found.span.end, time.process_time() - begun)


def theirs(piece: Piece, python: str) -> Found | None:
    """PyMusicLooper's first choice; nothing where it finds no loop."""
    bar_s = piece.bar_s or 2.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "take.wav"
        soundfile.write(path, piece.audio.samples.T, piece.audio.rate_hz, subtype="FLOAT")
        command = [python, "-c", LOOPER, str(path), str(piece.near_s - bar_s), str(piece.near_s + bar_s)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stderr[-300:], file=sys.stderr)
        return None
    start, end, took_s = json.loads(done.stdout.splitlines()[-1])
    return Found(piece.audio.samples[:, start:end], start, end, took_s)


def numbers(piece: Piece, name: str, found: Found | None) -> dict[str, object]:
    """What a row says, as numbers."""
    if found is None:
        return {"piece": piece.name, "by": name, "found": False}
    rate_hz, length_s = piece.audio.rate_hz, found.samples.shape[1] / piece.audio.rate_hz
    seam = dsp.seam(Audio(found.samples, rate_hz), LoopPoints(0, found.samples.shape[1]))
    off_s = abs(length_s - round(length_s / piece.bar_s) * piece.bar_s) if piece.bar_s else 0.0
    return {
        "piece": piece.name,
        "by": name,
        "found": True,
        "asked_s": piece.near_s,
        "length_s": length_s,
        "start_s": found.start / rate_hz,
        "off_bars_ms": off_s * 1000,
        "jump": seam.jump_ratio,
        "rise_db": seam.rise_db,
        "rise_limit_db": seam.rise_limit_db,
        "fall_db": seam.fall_db,
        "fall_limit_db": seam.fall_limit_db,
        "added_db": added_db(piece.audio, found, seam),
        "ok": seam.ok,
        "unlike_db": unlike_db(piece.audio, found),
        "took_s": found.took_s,
    }


def cells(row: dict[str, object]) -> list[str]:
    if not row["found"]:
        return ["", "none", *[""] * (len(HEADS) - 2)]
    return [
        f"{row['asked_s']:.1f}",
        f"{row['length_s']:.2f}",
        f"{row['off_bars_ms']:.0f}",
        f"{row['jump']:.2f}",
        f"{row['rise_db']:.1f} / {row['rise_limit_db']:.1f}",
        f"{row['fall_db']:.1f} / {row['fall_limit_db']:.1f}",
        _or_blank(row["added_db"]),
        "yes" if row["ok"] else "no",
        _or_blank(row["unlike_db"]),
        f"{row['took_s']:.2f}",
    ]


def _or_blank(value: object) -> str:
    """One decimal; nothing where there was nothing to measure, as before a loop that begins with its take."""
    return "" if value is None else f"{value:.1f}"


def added_db(audio: Audio, found: Found, seam: dsp.Seam) -> float | None:
    """Rise and fall at the wrap beyond those of the take itself, where the loop begins in it."""
    near = min(3 * audio.rate_hz, found.start, audio.frames - found.start)
    if near < audio.rate_hz // 4:
        return None
    before, after = (audio.samples[:, found.start + first : found.start + first + near] for first in (-near, 0))
    own = dsp.seam(Audio(np.concatenate((after, before), axis=1), audio.rate_hz), LoopPoints(0, 2 * near))
    return max(seam.rise_db - own.rise_db, 0.0) + max(seam.fall_db - own.fall_db, 0.0)


def unlike_db(audio: Audio, found: Found) -> float | None:
    """How far the two seconds around the start are from those around the end, as far as the take goes."""
    rate_hz = audio.rate_hz
    before = min(rate_hz, found.start)
    after = min(rate_hz, audio.frames - found.end)
    both = [audio.samples[:, place - before : place + after] for place in (found.start, found.end)]
    if before + after < rate_hz // 4:
        return None
    levels = sound_frames(Audio(np.concatenate(both, axis=1), rate_hz)).levels / 32 * np.sqrt(40)
    half = len(levels) // 2
    return float(np.abs(levels[:half] - levels[-half:]).mean())


def pieces() -> list[Piece]:
    """Loops of the composer, played 2.3 times by an unsteady hand; performances that never repeat; harder ones."""
    return [
        *(_again(*words) for words in AGAIN),
        *(_onward(*words) for words in ONWARD),
        *(make() for make in (_waltz, _pads, _drums, _tempo_200)),
    ]


AGAIN = (
    ("synthwave 90", "synthwave", 90, 24.0, 3),
    ("chiptune 150", "chiptune", 150, 20.0, 5),
    ("darkwave 75", "darkwave", 75, 30.0, 7),
    ("industrial 130", "industrial", 130, 28.0, 11),
)
ONWARD = (
    ("onward synthwave 90", "synthwave", 90, 60.0, 21),
    ("onward chiptune 160", "chiptune", 160, 30.0, 22),
    ("onward darkwave 64", "darkwave", 64, 45.0, 23),
    ("onward industrial 120", "industrial", 120, 60.0, 24),
)


def _composed(genre: str, bpm: float, duration_s: float, seed: int) -> tuple[Audio, float]:
    brief = Brief(generator="composer", prompt="", duration_s=duration_s, seed=seed, genre=genre, bpm=bpm)
    ((_, take),) = Composer().generate([brief], Shelf(Path()), lambda *_: None)
    loop = take.audio.samples[:, : take.facts.loop_frames]
    return Audio(loop, take.audio.rate_hz), take.facts.beats_per_bar * 60 / bpm


def _again(name: str, genre: str, bpm: float, duration_s: float, seed: int) -> Piece:
    """The same loop 2.3 times: with a level that wanders by 1.5 dB, noise at -50 dB, and a fade at the end."""
    loop, bar_s = _composed(genre, bpm, duration_s, seed)
    frames = round(2.3 * loop.frames)
    played = np.tile(loop.samples, 3)[:, :frames]
    return Piece(f"{name}, 2.3 times", _unsteady(played, loop.rate_hz, seed), loop.duration_s + 0.4, bar_s)


def _onward(name: str, genre: str, bpm: float, near_s: float, seed: int) -> Piece:
    """The beginning of a longer piece: what a model gives, that plays on for some seconds and never repeats."""
    longer, bar_s = _composed(genre, bpm, near_s * 1.6, seed)
    frames = round((near_s + max(4.0, 2 * bar_s)) * longer.rate_hz)
    noisy = longer.samples[:, :frames] + _noise(frames, seed, 0.001)
    return Piece(name, Audio(noisy, longer.rate_hz), near_s, bar_s)


def _unsteady(played: Samples, rate_hz: int, seed: int) -> Audio:
    frames = played.shape[1]
    points = np.random.default_rng(seed).uniform(-1.5, 1.5, frames // (4 * rate_hz) + 2)
    gain_db = np.interp(np.arange(frames), np.linspace(0, frames, points.size), points)
    gain_db[-rate_hz:] += np.linspace(0, -30, rate_hz)
    peak = float(np.abs(played).max())
    return Audio((played / peak * 0.7 * 10 ** (gain_db / 20)).astype(np.float32) + _noise(frames, seed, 0.002), rate_hz)


def _noise(frames: int, seed: int, level: float) -> Samples:
    return (np.random.default_rng(seed).standard_normal((2, frames)) * level).astype(np.float32)


def _notes(rate_hz: int, seconds: float, notes: list[tuple[float, float, float, float]]) -> NDArray[np.float64]:
    """Plucked notes: start in seconds, hertz, level, decay per second."""
    sound = np.zeros(round(seconds * rate_hz))
    for start_s, hertz, level, decay in notes:
        first = round(start_s * rate_hz)
        time_s = np.arange(sound.size - first) / rate_hz
        wave = np.sin(2 * np.pi * hertz * time_s) + 0.3 * np.sin(4 * np.pi * hertz * time_s)
        sound[first:] += level * wave * np.exp(-decay * time_s) * np.minimum(time_s / 0.003, 1)
    return sound


def _hertz(pitch: float) -> float:
    return float(440 * 2 ** ((pitch - 69) / 12))


def _waltz() -> Piece:
    """In three, at 138, after a pickup of one beat; 32 kHz, mono, melody and level differ from pass to pass."""
    rate_hz, beat_s, dice = 32_000, 60 / 138, np.random.default_rng(4)
    chords = [57, 62, 55, 60, 53, 59, 52, 57]
    notes = [(0.0, _hertz(76), 0.2, 4.0)]
    for bar in range(24):
        root, at_s = chords[bar % 8], beat_s * (1 + 3 * bar)
        notes.append((at_s, _hertz(root - 12), 0.35, 3.0))
        notes += [(at_s + beat_s * beat, _hertz(root + step), 0.12, 5.0) for beat in (1, 2) for step in (3, 7)]
        notes.append((at_s, _hertz(root + 12 + int(dice.choice([0, 3, 7]))), 0.15, 2.5))
    sound = _notes(rate_hz, beat_s * (1 + 3 * 24) + 1, notes)
    return Piece("waltz 138, pickup", Audio(sound[None].astype(np.float32), rate_hz), 8 * 3 * beat_s + 0.5, 3 * beat_s)


def _pads() -> Piece:
    """Slow chords that swell into each other, without a beat; every pass is detuned a little differently."""
    rate_hz, chord_s, dice = 32_000, 4.0, np.random.default_rng(6)
    time_s = np.arange(round(12.6 * chord_s * rate_hz)) / rate_hz
    sound = np.zeros(time_s.size)
    for index in range(13):
        swell = np.exp(-0.5 * ((time_s - (index + 0.5) * chord_s) / (0.45 * chord_s)) ** 2)
        for step in (0, 7, 12, 15):
            cents, phase = dice.uniform(-4, 4), dice.uniform(0, 6)
            hertz = _hertz((45, 41, 48, 43)[index % 4] + step + cents / 100)
            sound += 0.06 * swell * np.sin(2 * np.pi * hertz * time_s + phase)
    return Piece("pads, no beat", Audio(np.stack([sound, sound]).astype(np.float32), rate_hz), 32.0)


def _drums() -> Piece:
    """Drums at 174 with ghost notes that never repeat."""
    rate_hz, step_s, dice = 44_100, 60 / 174 / 4, np.random.default_rng(8)
    sound = np.zeros(round(24 * 16 * step_s * rate_hz) + rate_hz)
    for step in range(24 * 16):
        first = round(step * step_s * rate_hz)
        time_s = np.arange(rate_hz // 4) / rate_hz
        if step % 16 in (0, 10):
            sound[first : first + time_s.size] += (
                0.7 * np.sin(2 * np.pi * (50 * time_s - 8 * np.exp(-30 * time_s))) * np.exp(-15 * time_s)
            )
        loud = 0.5 if step % 8 == 4 else 0.15 * float(dice.random()) * (dice.random() < 0.6)
        sound[first : first + time_s.size] += loud * dice.standard_normal(time_s.size) * np.exp(-25 * time_s)
    return Piece("drums 174, ghosts", Audio(np.stack([sound, sound]).astype(np.float32), rate_hz), 22.0, 16 * step_s)


def _tempo_200() -> Piece:
    loop, bar_s = _composed("chiptune", 200, 19.2, 31)
    other, _ = _composed("chiptune", 200, 19.2, 32)
    frames = min(loop.frames, other.frames)
    mixed = np.concatenate(
        [
            loop.samples[:, :frames] + 0.12 * np.roll(other.samples[:, :frames], 40_000 * turn, axis=1)
            for turn in range(3)
        ],
        axis=1,
    )
    return Piece(
        "chiptune 200, another over it",
        _unsteady(mixed[:, : round(2.3 * frames)], loop.rate_hz, 9),
        frames / loop.rate_hz,
        bar_s,
    )


if __name__ == "__main__":
    main()
