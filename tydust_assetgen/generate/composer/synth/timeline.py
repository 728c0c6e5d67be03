"""When what sounds: a score's notes as events in frames, and the stretch of a part's sound between two frames.

There is a `Track` for each part; `stretch` mixes any span of one. On a loop time is a circle: a
span may lie before the start or over the end, and a note that rings past the end is heard at the start.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from tydust_assetgen.generate.composer.score import TICKS_PER_BEAT, Note, Part, Passage, Score
from tydust_assetgen.generate.composer.synth import drums
from tydust_assetgen.generate.composer.synth.note_cache import (
    LONGEST_DRUM_FRAMES,
    OPENED_PER_OCTAVE,
    SoundKey,
    Sounds,
    amplifier,
    longest_frames,
    shape,
)
from tydust_assetgen.generate.composer.synth.patches import (
    PATCHES,
    Chip,
    Effect,
    Kit,
    Patch,
    Subtractive,
    loudness_gain,
)
from tydust_assetgen.generate.composer.synth.signal import SAMPLE_RATE_HZ, Floats, decibels, frames

_CLOSED = (42, 44)
_OPEN = 46
_FOR_EVER = 1 << 40


@dataclass(frozen=True)
class Event:
    """A note at its place."""

    start: int
    key: SoundKey
    gate_frames: int
    level: float


@dataclass(frozen=True)
class Track:
    """A part, ready to be mixed. Events are in order of start."""

    part: Part
    patch: Patch
    events: tuple[Event, ...]
    starts: tuple[int, ...]
    longest: int
    """No event rings longer than this, in frames."""


@dataclass(frozen=True)
class Clock:
    """From ticks to frames."""

    frames_per_tick: float
    loop_frames: int
    loops: bool

    @classmethod
    def of(cls, score: Score) -> Clock:
        """The clock of a score; the loop is rounded to whole frames once, and events follow the exact time."""
        loop_frames = round(score.duration_s * SAMPLE_RATE_HZ)
        return cls(60.0 * SAMPLE_RATE_HZ / (score.bpm * TICKS_PER_BEAT), loop_frames, score.loops)

    def at(self, tick: int) -> int:
        """The frame nearest to a tick."""
        return round(tick * self.frames_per_tick)


def tracks(score: Score, clock: Clock) -> list[Track]:
    """All parts that have notes."""
    return [_track(part, score, clock) for part in score.parts if part.notes]


def _track(part: Part, score: Score, clock: Clock) -> Track:
    patch = PATCHES[part.patch]
    turns: Counter[int] = Counter()
    closings = _closings(part, score)
    events = []
    for note in sorted(part.notes):
        turns[note.pitch] += 1
        held = _until_closed(note, closings) if isinstance(patch.instrument, Kit) else note.length
        gate_frames = max(1, clock.at(held))
        opened = _opened(colour(score, note.start), note.velocity)
        key = _key(patch, note.pitch, gate_frames, opened, turns[note.pitch])
        events.append(Event(clock.at(note.start), key, gate_frames, loudness_gain(note.velocity)))
    shared = _shared(events) if amplifier(patch.name) else events
    longest = max(longest_frames(event.key) for event in shared)
    return Track(part, patch, tuple(shared), tuple(event.start for event in shared), longest)


def _shared(events: list[Event]) -> list[Event]:
    """The same events, each with the sound of the longest that differs in nothing but its length."""
    longest: dict[SoundKey, int] = {}
    for event in events:
        bare = event.key._replace(held_frames=0)
        longest[bare] = max(longest.get(bare, 0), event.gate_frames)
    return [
        replace(event, key=event.key._replace(held_frames=longest[event.key._replace(held_frames=0)]))
        for event in events
    ]


def rings(event: Event) -> int:
    """Frames that a note is heard, at most."""
    amp = amplifier(event.key.patch)
    return longest_frames(event.key) if amp is None else event.gate_frames + frames(amp.release_s)


def end_of(track: Track) -> int:
    """The frame at which the last note of a part has rung out."""
    return max(event.start + rings(event) for event in track.events)


def wanted_until(tracks: list[Track]) -> dict[SoundKey, int]:
    """The frame at which each sound is heard for the last time, some way into the next stretch for good measure."""
    until: dict[SoundKey, int] = {}
    for track in tracks:
        for event in track.events:
            end = event.start + rings(event) + SAMPLE_RATE_HZ // 4
            until[event.key] = max(until.get(event.key, 0), end)
    return until


def _closings(part: Part, score: Score) -> list[int]:
    """Ticks at which the closed hat shuts the open one, once more a loop later."""
    closed = sorted(note.start for note in part.notes if note.pitch in _CLOSED)
    return closed + [tick + score.ticks for tick in closed if score.loops]


def _until_closed(note: Note, closings: list[int]) -> int:
    """Ticks that a drum may ring: for an open hat until the next closed one, else for ever."""
    after = bisect_right(closings, note.start)
    shut = note.pitch == _OPEN and after < len(closings)
    return closings[after] - note.start if shut else _FOR_EVER


def _key(patch: Patch, pitch: int, gate_frames: int, opened: int, turn: int) -> SoundKey:
    """The cache key: whatever the instrument does not listen to is left out, so that more notes are the same."""
    instrument = patch.instrument
    if isinstance(instrument, Kit):
        known = drums.nearest(pitch)
        rings = 0 if gate_frames >= LONGEST_DRUM_FRAMES else gate_frames
        return SoundKey(patch.name, known, rings, round(opened / 4) * 4, turn % drums.variants(known))
    if isinstance(instrument, Chip):
        noise = instrument.wave == "noise"
        return SoundKey(patch.name, drums.nearest(pitch) if noise else pitch, 0 if noise else gate_frames, 0)
    if isinstance(instrument, Subtractive) and instrument.filter.slow:
        opened = round(opened / 2) * 2  # a slow pad takes half octaves: nobody hears the difference, all hear the wait
    return SoundKey(patch.name, pitch, gate_frames, 0 if isinstance(instrument, Effect) else opened)


def colour(score: Score, tick: int) -> float:
    """How bright the score is at a tick, 0 to 1: mostly the passage's brightness, with some of its energy.

    Between the middles of two passages it moves in a straight line over the two bars around their border; on a loop
    the last passage leads into the first.
    """
    if not score.passages:
        return 0.5
    bar = tick / (score.beats_per_bar * TICKS_PER_BEAT)
    number = max(i for i, p in enumerate(score.passages) if p.start_bar <= bar or i == 0)
    passage = score.passages[number]
    here = _shade(passage)
    since, left = bar - passage.start_bar, passage.start_bar + passage.bars - bar
    last = len(score.passages) - 1
    if since < 1.0 and (number > 0 or score.loops):
        return here + (_shade(score.passages[number - 1]) - here) * 0.5 * (1.0 - since)
    if 0.0 <= left < 1.0 and (number < last or score.loops):
        return here + (_shade(score.passages[(number + 1) % (last + 1)]) - here) * 0.5 * (1.0 - left)
    return here


def _shade(passage: Passage) -> float:
    return 0.7 * passage.brightness + 0.3 * passage.energy


def _opened(bright: float, velocity: int) -> int:
    """Quarters of an octave: 0 at colour 0.5 and velocity 100, 1.3 octaves up or down for colour 1 and 0."""
    octaves = 2.6 * (bright - 0.5) + (velocity - 100) / 60.0
    return round(max(-2.5, min(1.75, octaves)) * OPENED_PER_OCTAVE)


def pan_gains(pan: float) -> tuple[float, float]:
    """Equal-power gains of left and right, 1 and 1 in the centre."""
    angle = (max(-1.0, min(1.0, pan)) + 1.0) * np.pi / 4.0
    return float(np.sqrt(2.0) * np.cos(angle)), float(np.sqrt(2.0) * np.sin(angle))


def stretch(track: Track, clock: Clock, sounds: Sounds, first: int, end: int) -> Floats:
    """The part's sound from frame `first` to `end` (exclusive), `[2, end - first]`, before effects."""
    bus, scratch = np.zeros((2, end - first), np.float32), np.empty((2, end - first), np.float32)
    gain = decibels(track.part.gain_db)
    amp = amplifier(track.patch.name)
    for event, start in _heard(track, clock, first, end):
        sound = sounds.get(event.key)
        outline = shape(amp, event.gate_frames) if amp else None
        stop = min(start + (sound.shape[1] if outline is None else len(outline)), end)
        low, level = max(start, first), np.float32(event.level * gain)
        if stop > low:
            part = sound[:, low - start : stop - start]
            faded = level if outline is None else outline[low - start : stop - start] * level
            bus[:, low - first : stop - first] += np.multiply(part, faded, out=scratch[: len(part), : stop - low])
    return bus * np.array(pan_gains(track.part.pan), np.float32)[:, None] if track.part.pan else bus


def is_heard(track: Track, clock: Clock, first: int, end: int) -> bool:
    """Whether any event may sound in a span."""
    return bool(_heard(track, clock, first, end))


def _heard(track: Track, clock: Clock, first: int, end: int) -> list[tuple[Event, int]]:
    """Events that may sound in a span, each with its start on the span's own axis."""
    found = []
    turns = [0]
    if clock.loops:
        turns = list(range((first - track.longest) // clock.loop_frames, (end - 1) // clock.loop_frames + 1))
    for turn in turns:
        shift = turn * clock.loop_frames
        low = bisect_left(track.starts, first - shift - track.longest)
        high = bisect_left(track.starts, end - shift)
        found += [
            (event, event.start + shift)
            for event in track.events[low:high]
            if event.start + shift + rings(event) > first
        ]
    return found
