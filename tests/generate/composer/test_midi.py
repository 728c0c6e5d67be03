"""A score as a MIDI file, read back by mido."""

from __future__ import annotations

import io

import mido
import pytest
from composer_briefs import GENRES, KEYS, brief, calm

from tydust_assetgen.generate.composer.compose import compose
from tydust_assetgen.generate.composer.midi import PROGRAMS, to_midi
from tydust_assetgen.generate.composer.score import TICKS_PER_BEAT, Note, Score
from tydust_assetgen.generate.composer.theory import parse_key


def _read(score: Score) -> mido.MidiFile:
    return mido.MidiFile(file=io.BytesIO(to_midi(score)))


def _meta(track: mido.MidiTrack, kind: str) -> list[tuple[int, mido.MetaMessage]]:
    now, found = 0, []
    for message in track:
        now += message.time
        if message.type == kind:
            found.append((now, message))
    return found


def _notes(track: mido.MidiTrack) -> list[Note]:
    now, found = 0, []
    sounding: dict[int, list[tuple[int, int]]] = {}
    for message in track:
        now += message.time
        if message.type == "note_on":
            sounding.setdefault(message.note, []).append((now, message.velocity))
        elif message.type == "note_off":
            start, velocity = sounding[message.note].pop(0)
            found.append(Note(start, now - start, message.note, velocity))
    assert not any(sounding.values())
    return sorted(found)


@pytest.mark.parametrize("genre", GENRES)
def test_every_note_comes_back(genre: str) -> None:
    score = compose(brief(genre=genre, prompt="driving battle"))
    file = _read(score)
    assert file.type == 1
    assert file.ticks_per_beat == TICKS_PER_BEAT
    assert len(file.tracks) == len(score.parts) + 1
    for part, track in zip(score.parts, file.tracks[1:], strict=True):
        assert _notes(track) == list(part.notes)
        channels = {message.channel for message in track if not message.is_meta}
        assert (channels == {9}) == (part.role == "drums")
        programs = [message.program for message in track if message.type == "program_change"]
        assert programs == ([] if part.role == "drums" else [PROGRAMS[part.patch]])


def test_tempo_metre_key_sections_and_length() -> None:
    score = compose(calm())
    file = _read(score)
    head = file.tracks[0]
    assert [mido.tempo2bpm(m.tempo) for _, m in _meta(head, "set_tempo")] == pytest.approx([90.0], rel=1e-5)
    assert [(m.numerator, m.denominator) for _, m in _meta(head, "time_signature")] == [(4, 4)]
    assert [m.key for _, m in _meta(head, "key_signature")] == ["Dm"]
    markers = [(tick, message.text) for tick, message in _meta(head, "marker")]
    bar = 4 * TICKS_PER_BEAT
    assert markers == [
        (0, "loopStart"), (0, "intro"), (4 * bar, "main"), (18 * bar, "outro"), (22 * bar, "loopEnd"),
    ]  # fmt: skip
    assert sum(message.time for message in head) == score.ticks
    assert mido.tick2second(score.ticks, TICKS_PER_BEAT, mido.bpm2tempo(90)) == pytest.approx(
        score.duration_s, rel=1e-5
    )


def test_a_jingle_has_no_loop_markers() -> None:
    score = compose(brief(loop=False, duration_s=12.0))
    assert not {m.text for _, m in _meta(_read(score).tracks[0], "marker")} & {"loopStart", "loopEnd"}


def test_three_four_is_said() -> None:
    file = _read(compose(brief(parameters={"beats_per_bar": 3})))
    assert [(m.numerator, m.denominator) for _, m in _meta(file.tracks[0], "time_signature")] == [(3, 4)]


@pytest.mark.parametrize("key", KEYS)
def test_every_key_has_a_signature(key: str) -> None:
    score = compose(brief(key=key, duration_s=8.0, bpm=120.0))
    (signature,) = [m.key for _, m in _meta(_read(score).tracks[0], "key_signature")]
    assert parse_key(signature) == parse_key(key)


def test_the_same_score_gives_the_same_bytes_and_any_title_fits() -> None:
    score = compose(brief(prompt="夜の flight — über"))
    assert to_midi(score) == to_midi(score)
    assert _meta(_read(score).tracks[0], "track_name")[0][1].name.endswith("flight ? über")
