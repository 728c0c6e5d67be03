"""Mixes parts and effects stretch by stretch, onto a line or, for a loop, onto a circle.

Everything up to the bus is linear, so it may be added up in any place: on a
loop, what rings past the end is added at the start, and the result is what one would hear when the loop has played
for ever. Only then comes the bus, which distorts (drive, a gentle saturation) without memory, so that it can't break
the seam.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from tydust_assetgen.generate.composer.score import Score
from tydust_assetgen.generate.composer.styles import STYLES, Effects
from tydust_assetgen.generate.composer.synth import effects
from tydust_assetgen.generate.composer.synth.bus import finished
from tydust_assetgen.generate.composer.synth.effects import Ducking
from tydust_assetgen.generate.composer.synth.note_cache import SoundKey, Sounds
from tydust_assetgen.generate.composer.synth.signal import SAMPLE_RATE_HZ, Floats, frames
from tydust_assetgen.generate.composer.synth.timeline import (
    Clock,
    Track,
    end_of,
    is_heard,
    stretch,
    tracks,
    wanted_until,
)

LONGEST_TAIL_S = 12.0
_STRETCH = 3 << 15
"""Frames that are mixed at once: few enough for the processor's cache."""


@dataclass(frozen=True)
class MixSetup:
    """Everything that stays the same while a score is mixed."""

    score: Score
    settings: Effects
    clock: Clock
    tracks: list[Track]
    ducking: Ducking
    taps: list[effects.Tap]
    block: int
    room: effects.Convolver
    wanted: dict[SoundKey, int]
    """The frame after which a sound is not heard any more."""


def mixed(score: Score, sounds: Sounds, progress: Callable[[float], None]) -> Floats:
    """The whole piece, `[2, loop_frames]` on a loop, else with its tail."""
    setup = _setup(score)
    total = np.zeros((2, setup.clock.loop_frames + (0 if score.loops else _tail(setup))), np.float32)
    end = total.shape[1]
    for first in range(0, end, setup.block):
        stop = min(first + setup.block, end)
        to_room = np.concatenate(list(_stretches(total, setup, sounds, first, stop)))
        if np.any(to_room):
            add(total, setup.room(to_room * np.float32(setup.settings.room)), first, score.loops)
        progress(0.95 * stop / end)
    return finished(total, score.drive, setup.settings, score.loops)


def _stretches(total: Floats, setup: MixSetup, sounds: Sounds, first: int, stop: int) -> Iterator[Floats]:
    """Mixes from `first` to `stop` in small stretches; sounds that no later one wants are forgotten."""
    for low in range(first, stop, _STRETCH):
        high = min(low + _STRETCH, stop)
        yield _add_stretch(total, setup, sounds, low, high)
        sounds.forget(key for key, until in setup.wanted.items() if low < until <= high)


def _setup(score: Score) -> MixSetup:
    clock = Clock.of(score)
    settings = STYLES[score.style].effects if score.style in STYLES else Effects()
    answer = effects.room(score.reverb_size)
    # Four parts of sound to one of tail is where the transforms cost least; memory sets the upper end.
    block = max(frames(3.0), min(frames(12.0), 3 * answer.shape[1]))
    parts = tracks(score, clock)
    return MixSetup(
        score,
        settings,
        clock,
        parts,
        Ducking.of(parts, clock, settings.duck),
        effects.delay_taps(score.delay_beats * 60.0 / score.bpm),
        block,
        effects.Convolver(answer, block),
        wanted_until(parts),
    )


def _tail(setup: MixSetup) -> int:
    """Frames after the last bar until all has decayed: notes, then repeats and room, at most 12 s."""
    over = max((end_of(track) for track in setup.tracks), default=0) - setup.clock.loop_frames
    repeats = setup.taps[-1].offset if any(t.part.delay for t in setup.tracks) else 0
    return int(min(max(over, 0) + max(repeats, setup.room.tail) + frames(0.1), frames(LONGEST_TAIL_S)))


_LEAD = max(effects.WARM_UP, effects.CHORUS_HISTORY)
"""Frames that are mixed before each stretch: the chorus looks back, and the delay's filters warm up."""


def _add_stretch(total: Floats, setup: MixSetup, sounds: Sounds, first: int, end: int) -> Floats:
    """Mixes one stretch and adds it and its repeats to the whole. Returns what it sends to the room, mono."""
    dry, sent = np.zeros((2, end - first), np.float32), np.zeros((3, end - first + _LEAD), np.float32)
    to_chorus, to_room, to_delay = sent
    for track in setup.tracks:
        sound = _strip(track, setup, sounds, first - _LEAD, end)
        if sound is None:
            continue
        depth, middle = track.patch.chorus * setup.settings.chorus, (sound[0] + sound[1]) * np.float32(0.5)
        dry += sound[:, _LEAD:] * np.float32(1.0 - effects.CHORUS_DRY * depth) if depth else sound[:, _LEAD:]
        for share, bus in ((depth, to_chorus), (track.part.reverb, to_room), (track.part.delay, to_delay)):
            if share:
                bus += middle * np.float32(share)
    if np.any(to_chorus):
        dry += _chorused(to_chorus, setup, first)
    add(total, dry, first, setup.clock.loops)
    if np.any(to_delay):
        _add_repeats(total, setup, to_delay[_LEAD - effects.WARM_UP :], first)
    return to_room[_LEAD:]


def _strip(track: Track, setup: MixSetup, sounds: Sounds, first: int, end: int) -> Floats | None:
    """One part's sound under the kick; none where the part is silent."""
    if not is_heard(track, setup.clock, first, end):
        return None
    sound = stretch(track, setup.clock, sounds, first, end)
    if track.patch.ducks and setup.ducking.depth:
        sound *= setup.ducking.gain(first, end, track.patch.ducks)
    return sound


def _chorused(sent: Floats, setup: MixSetup, first: int) -> Floats:
    """What the chorus adds. All parts share one: it is linear, so each part's depth is how much it sends."""
    wet = effects.chorus(sent[_LEAD - effects.CHORUS_HISTORY :], first, _chorus_hz(setup.clock))
    wet *= np.float32(effects.CHORUS_WET)
    return wet


def _chorus_hz(clock: Clock) -> float:
    """About 0.6 Hz; on a loop the nearest rate with whole turns in it."""
    if not clock.loops:
        return 0.6
    length_s = clock.loop_frames / SAMPLE_RATE_HZ
    return max(1, round(0.6 * length_s)) / length_s


def _add_repeats(total: Floats, setup: MixSetup, sent: Floats, first: int) -> None:
    dark = effects.darkened(sent, 1_400.0)
    edge = effects.darkened(sent, 6_500.0) - dark
    for tap in setup.taps:
        repeat = edge * np.float32(tap.bright)
        repeat += dark * np.float32(tap.bright + tap.dark)
        add(total[tap.side : tap.side + 1], repeat[None, :], first + tap.offset, setup.clock.loops)


def add(total: Floats, sound: Floats, start: int, circle: bool) -> None:
    """Adds a sound into `total` from frame `start` on. On a circle what passes the end goes on at the beginning,
    as often as need be; on a line it is cut, and the line is made long enough for that to be inaudible.
    """
    length, done = total.shape[1], 0
    place = start % length if circle else start
    while done < sound.shape[1] and place < length:
        count = min(sound.shape[1] - done, length - place)
        total[:, place : place + count] += sound[:, done : done + count]
        done += count
        place = (place + count) % length if circle else place + count
