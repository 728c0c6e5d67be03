"""Writes a score as a Standard MIDI File (type 1), for a musician to carry on with.

Track 0 holds tempo, metre, key and a marker for each section, with `loopStart` and `loopEnd` where the piece
loops (the markers that game engines and players know). Every part is a track; drums are on channel 10.
Source: MIDI Manufacturers Association, Standard MIDI Files 1.0 (RP-001); General MIDI 1 for programs.
"""

from __future__ import annotations

import io

import mido

from tydust_assetgen.generate.composer.score import TICKS_PER_BEAT, Part, Score
from tydust_assetgen.generate.composer.theory import parse_key

_DRUM_CHANNEL = 9  # the tenth, counted from zero

# General MIDI programs, counted from zero.
PROGRAMS: dict[str, int] = {
    "warm_pad": 89, "dark_pad": 95, "glass_pad": 92, "choir_pad": 91,
    "strings": 50, "warm_bass": 38, "acid_bass": 38,
    "sub_bass": 39, "reese_bass": 39,
    "distorted_bass": 38, "saw_lead": 81, "square_lead": 80,
    "soft_lead": 82, "bell": 14,
    "brass": 62, "pluck_arp": 84, "pulse_arp": 80, "fm_arp": 98, "riser": 97, "impact": 47, "noise_sweep": 122,
    "drone": 95,
    "chip_pulse12": 80, "chip_pulse25": 80, "chip_pulse50": 80, "chip_triangle": 38, "chip_noise": 0,
}  # fmt: skip
# Names that the key signature message knows: enharmonic where it knows no other.
_SIGNATURES = {"C# major": "Db", "Ab minor": "G#m", "Eb minor": "Ebm"}


def to_midi(score: Score) -> bytes:
    """The whole score as a file's bytes."""
    file = mido.MidiFile(type=1, ticks_per_beat=TICKS_PER_BEAT)
    file.tracks.append(_conductor(score))
    channels = [channel for channel in range(16) if channel != _DRUM_CHANNEL]
    for number, part in enumerate(score.parts):
        channel = _DRUM_CHANNEL if part.role == "drums" else channels[number % len(channels)]
        file.tracks.append(_track(part, channel, score.ticks))
    buffer = io.BytesIO()
    file.save(file=buffer)
    return buffer.getvalue()


def _conductor(score: Score) -> mido.MidiTrack:
    bar = score.beats_per_bar * TICKS_PER_BEAT
    events = [
        (0, mido.MetaMessage("track_name", name=_latin(score.title))),
        (0, mido.MetaMessage("set_tempo", tempo=round(60_000_000 / score.bpm))),
        (0, mido.MetaMessage("time_signature", numerator=score.beats_per_bar, denominator=4)),
        (0, mido.MetaMessage("key_signature", key=_signature(score.key))),
    ]
    if score.loops:
        events += [(0, mido.MetaMessage("marker", text="loopStart"))]
    events += [(p.start_bar * bar, mido.MetaMessage("marker", text=_latin(p.name))) for p in score.passages]
    if score.loops:
        events += [(score.ticks, mido.MetaMessage("marker", text="loopEnd"))]
    return _delta(events, score.ticks)


def _track(part: Part, channel: int, ticks: int) -> mido.MidiTrack:
    head = [
        (0, mido.MetaMessage("track_name", name=f"{part.role} {part.patch}")),
        (0, mido.Message("control_change", channel=channel, control=10, value=round(63.5 + 63.5 * part.pan))),
        (0, mido.Message("control_change", channel=channel, control=7, value=_volume(part.gain_db))),
        (0, mido.Message("control_change", channel=channel, control=91, value=round(127 * part.reverb))),
    ]
    if part.role != "drums":
        head.append((0, mido.Message("program_change", channel=channel, program=PROGRAMS.get(part.patch, 0))))
    ons = [
        (n.start, 1, mido.Message("note_on", channel=channel, note=n.pitch, velocity=n.velocity)) for n in part.notes
    ]
    offs = [(n.start + n.length, 0, mido.Message("note_off", channel=channel, note=n.pitch)) for n in part.notes]
    body = [(tick, message) for tick, _, message in sorted(ons + offs, key=lambda event: event[:2])]
    return _delta(head + body, ticks)


def _delta(events: list[tuple[int, mido.Message]], ticks: int) -> mido.MidiTrack:
    """Absolute ticks to the differences that a file holds; the track lasts at least the whole piece."""
    track = mido.MidiTrack()
    now = 0
    for tick, message in events:
        track.append(message.copy(time=tick - now))
        now = tick
    track.append(mido.MetaMessage("end_of_track", time=max(0, ticks - now)))
    return track


def _volume(gain_db: float) -> int:
    """Controller 7 for a gain: 40 log10(value / 127) dB, as General MIDI recommends; 100 is our 0 dB."""
    return max(1, min(127, round(100 * 10 ** (gain_db / 40))))


def _signature(name: str) -> str:
    if name in _SIGNATURES:
        return _SIGNATURES[name]
    key = parse_key(name)
    return name.split()[0] + ("m" if key.mode == "minor" else "")


def _latin(text: str) -> str:
    """Meta texts are Latin-1 in mido; other letters become question marks."""
    return text.encode("latin-1", "replace").decode("latin-1")
