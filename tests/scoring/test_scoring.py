"""Scoring: takes with faults put in on purpose come out behind the one without, in the respect that was spoilt."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.dsp.sounds import MAJOR_LOOP, MINOR_LOOP, RATE_HZ, audio, chords, drums
from tydust_assetgen.audio import Audio
from tydust_assetgen.errors import GenerationError
from tydust_assetgen.finish import finish
from tydust_assetgen.flow import Brief, Facts, Finish, Mark, Provenance, Recipe, Scores, Section, Take
from tydust_assetgen.generate.composer import Composer
from tydust_assetgen.generate.protocol import Shelf
from tydust_assetgen.scoring import WEIGHTS, ranked, score
from tydust_assetgen.scoring import marks as scoring_marks
from tydust_assetgen.verify import sound as verifying
from tydust_assetgen.verify.sound import music_checks

Samples = NDArray[np.float64]
D, AB = 2, 8


@lru_cache(maxsize=8)
def piece(tonic: int = D, bpm: float = 90.0, *, minor: bool = True) -> Samples:
    """Eight bars that loop exactly, about 21 s at 90 BPM; a little noise, as every recording has."""
    notes = chords(tonic, MINOR_LOOP if minor else MAJOR_LOOP, bpm, 8)
    breath = 0.003 * np.random.default_rng(1).standard_normal(notes.size)
    return 0.25 * (notes + drums(bpm, 8)) + breath


def recipe(*, loop: bool = True, sections: tuple[Section, ...] = (), **fields: object) -> Recipe:
    usual: dict[str, object] = {"key": "D minor", "bpm": 90.0, "duration_s": 21.0, "seed": 1, "prompt": "calm"}
    brief = Brief(**{**usual, "generator": "tone", "loop": loop, "sections": sections, **fields})  # type: ignore[arg-type]
    return Recipe(slot="a.ogg", title="A", game="G", brief=brief, finish=Finish(loop=loop), outputs=())


def take(samples: Samples, facts: Facts | None = None) -> Take:
    made = Provenance(generator="tone", version="1", licence="CC0-1.0")
    return Take(audio(samples, samples), facts or Facts(loop_frames=samples.size), made)


def scores(samples: Samples, asked: Recipe | None = None, text: float | None = None) -> Scores:
    asked = asked or recipe()
    facts = Facts(loop_frames=samples.size if asked.finish.loop else 0)
    performed = take(samples, facts)
    return score(performed, finish(performed, asked.finish), asked, text)


def marks(found: Scores) -> dict[str, float]:
    return {mark.name: mark.score for mark in found.marks}


def with_dropout(samples: Samples, seconds: float) -> Samples:
    spoilt = samples.copy()
    spoilt[5 * RATE_HZ : 5 * RATE_HZ + round(seconds * RATE_HZ)] = 0
    return spoilt


def gain(samples: Samples, *points_db: float) -> Samples:
    """A gain that runs straight in dB between evenly spaced points."""
    places = np.linspace(0, samples.size, len(points_db))
    return samples * 10 ** (np.interp(np.arange(samples.size), places, points_db) / 20)


def clipped(samples: Samples, by_db: float) -> Samples:
    return np.clip(samples / np.abs(samples).max() * 10 ** (by_db / 20), -1, 1)


def cut(samples: Samples) -> Samples:
    """The last bars are gone, and where the end meets the beginning, between two beats, it cracks."""
    shortened = np.roll(samples, -RATE_HZ // 5)[: round(samples.size * 0.93)]
    shortened[-1] = 0.95
    return shortened


SPOILT = {
    "key": lambda: piece(AB),
    "tempo": lambda: piece(bpm=77.0),
    "seam": lambda: cut(piece()),
    "steadiness": lambda: gain(piece(), 0, -14),
    "silence": lambda: with_dropout(piece(), 2.0),
    "clipping": lambda: clipped(piece(), 6.0),
}
FATAL = ("seam", "silence", "clipping")


def test_a_take_as_asked_has_full_marks_and_no_fault() -> None:
    found = scores(piece())
    assert found.fault == ""
    assert found.total >= 0.97
    assert min(marks(found).values()) >= 0.9
    assert tuple(marks(found)) == ("key", "tempo", "seam", "steadiness", "silence", "clipping", "level")


@pytest.mark.parametrize("name", SPOILT)
def test_what_is_spoilt_loses_its_mark(name: str) -> None:
    clean, spoilt = scores(piece()), scores(SPOILT[name]())
    assert marks(spoilt)[name] <= 0.5 < 0.9 <= marks(clean)[name]
    assert spoilt.total < clean.total
    assert bool(spoilt.fault) == (name in FATAL), spoilt.fault


def test_any_take_without_a_fault_stands_before_any_with_one() -> None:
    poor = gain(piece(AB, 77.0, minor=False), 0, -14)  # wrong in key, tempo and level, but it can be published
    field = [scores(SPOILT[name]()) for name in FATAL]
    order = ranked([*field, scores(poor), scores(piece())])
    assert order[0] == len(field) + 1
    assert order[1] == len(field)
    assert all(scores(poor).total < found.total for found in field)


@pytest.mark.parametrize(("by_db", "fatal"), [(-1.0, False), (0.05, False), (3.0, True), (12.0, True)])
def test_a_touch_of_clipping_costs_little_and_much_of_it_all(by_db: float, fatal: bool) -> None:
    assert bool(scores(clipped(piece(), by_db)).fault) == fatal


def test_float_samples_over_full_scale_are_not_clipped() -> None:
    assert marks(scores(piece() * 8))["clipping"] == 1.0


def test_a_rest_of_a_beat_is_music_and_two_seconds_are_a_hole() -> None:
    assert scores(with_dropout(piece(), 0.4)).fault == ""
    assert "silent for 2.0 s" in scores(with_dropout(piece(), 2.0)).fault


def test_a_track_that_is_mostly_rests_is_faulty_though_none_is_long() -> None:
    sparse = piece() * (np.arange(piece().size) % RATE_HZ < 0.4 * RATE_HZ)
    assert scores(sparse).fault


def test_nearer_keys_stand_before_farther_ones() -> None:
    """D minor asked: itself, its relative, the fifth, the tritone."""
    heard = [marks(scores(p))["key"] for p in (piece(), piece(5, minor=False), piece(9), piece(AB))]
    assert heard == sorted(heard, reverse=True)
    assert heard[0] == 1.0
    assert heard[-1] < 0.3


def test_noise_holds_no_key_and_no_tempo() -> None:
    found = marks(scores(0.1 * np.random.default_rng(3).standard_normal(20 * RATE_HZ)))
    assert found["key"] < 0.6
    assert 0.3 < found["tempo"] < 0.7  # there is no beat that could be wrong


def test_what_was_not_asked_gets_no_mark() -> None:
    found = marks(scores(piece(), recipe(loop=False, key="", bpm=0.0)))
    assert found.keys() == {"steadiness", "silence", "clipping", "level"}


def test_what_the_generator_wrote_down_is_not_guessed_at() -> None:
    asked = recipe(key="Ab minor", bpm=77.0)
    performed = take(piece(), Facts(loop_frames=piece().size, key="G# minor", bpm=77.0))
    found = score(performed, finish(performed, asked.finish), asked)
    assert (marks(found)["key"], marks(found)["tempo"]) == (1.0, 1.0)
    assert [mark.measured for mark in found.marks][:2] == ["Ab minor, as written", "77 BPM, as written"]


def test_sections_may_differ_in_loudness_and_a_drift_may_not() -> None:
    half_s = piece().size / RATE_HZ / 2
    loud_quiet = piece() * np.where(np.arange(piece().size) < piece().size // 2, 1.0, 0.2)
    sections = (Section("theme", half_s), Section("rest", half_s))
    steps = [marks(scores(loud_quiet, recipe(sections=asked)))["steadiness"] for asked in ((), sections)]
    assert steps[0] < 0.7 < 0.95 < steps[1]
    fading = [marks(scores(gain(piece(), 0, -14), recipe(sections=asked)))["steadiness"] for asked in ((), sections)]
    assert max(fading) < 0.3


def test_a_swell_is_worse_than_steady_and_better_than_coming_and_going() -> None:
    levels = [(0, 0), (0, -4, 0, -4, 0), (0, -16, 0, -16, 0)]
    found = [marks(scores(gain(piece(), *points)))["steadiness"] for points in levels]
    assert found[0] == 1.0
    assert found[0] >= found[1] > found[2]


def test_the_end_of_a_track_that_does_not_loop_may_die_away() -> None:
    ending = gain(piece(), *[0] * 9, -30)
    assert marks(scores(ending, recipe(loop=False)))["steadiness"] == 1.0
    assert scores(ending, recipe(loop=False)).fault == ""


def test_the_text_counts_where_something_can_tell() -> None:
    field = [scores(piece(), text=cosine) for cosine in (0.1, 0.35, 0.2)]
    assert ranked(field) == (1, 2, 0)
    assert [marks(found)["text"] for found in field] == [0.2, 0.7, 0.4]
    assert marks(scores(piece(), text=-0.3))["text"] == 0.0


def test_short_takes_have_marks_too() -> None:
    short = piece()[: RATE_HZ // 2]
    assert 0 <= scores(short, recipe(loop=False)).total <= 1
    assert "steadiness" not in marks(scores(short, recipe(loop=False)))


@pytest.mark.parametrize("genre", ["synthwave", "chiptune"])
@pytest.mark.parametrize("loop", [True, False])
def test_what_the_composer_plays_scores_high_also_when_nobody_knows_its_facts(genre: str, loop: bool) -> None:
    own = msgspec.to_builtins(Composer().parameters())
    asked = recipe(loop=loop, genre=genre, bpm=100.0, duration_s=24.0, generator="composer", parameters=own)
    ((_, performed),) = Composer().generate([asked.brief], Shelf(Path()), lambda *_: None)
    known = score(performed, finish(performed, asked.finish), asked)
    assert known.fault == ""
    assert known.total >= 0.95
    nameless = Take(performed.audio, Facts(loop_frames=performed.facts.loop_frames), performed.provenance)
    heard = score(nameless, finish(nameless, asked.finish), asked)
    assert heard.fault == ""
    assert heard.total >= 0.85


def test_the_same_take_gets_the_same_scores() -> None:
    assert scores(piece(), text=0.3) == scores(piece().copy(), text=0.3)


def test_a_fault_is_what_verifying_would_refuse() -> None:
    ours = (scoring_marks.SILENCE_S, scoring_marks.ENDING_S, scoring_marks.LOUDNESS_TOLERANCE_LU)
    assert ours == (verifying.SILENCE_S, verifying.ENDING_S, verifying.LOUDNESS_TOLERANCE_LU)
    theirs = (verifying.EVIDENCE_S, verifying.CLEAR_KEY, verifying.CLEAR_BEAT)
    assert theirs == (scoring_marks.EVIDENCE_S, scoring_marks.CLEAR_KEY, scoring_marks.CLEAR_BEAT)


@pytest.mark.parametrize(("name", "spoilt"), [("key", lambda: piece(AB)), ("tempo", lambda: piece(bpm=77.0))])
def test_where_a_slot_is_strict_another_key_or_tempo_is_a_fault(name: str, spoilt: Callable[[], Samples]) -> None:
    plain = recipe()
    strict = msgspec.structs.replace(plain, strict=(name,))
    for asked, samples, fatal in ((plain, spoilt(), False), (strict, spoilt(), True), (strict, piece(), False)):
        performed = take(samples)
        found = score(performed, finish(performed, asked.finish), asked)
        assert bool(found.fault) == fatal
        master = finish(performed, asked.finish)
        severities = {check.name: check.status for check in music_checks(master.audio, asked, master.facts)}
        assert (severities[name] == "fail") == fatal, "scoring and verifying must agree"


def test_peaks_that_leave_no_room_for_the_loudness_are_a_fault() -> None:
    clicks = 1e-3 * np.random.default_rng(5).standard_normal(10 * RATE_HZ)
    clicks[:: RATE_HZ // 2] = 1.0
    assert "LU off" in scores(clicks, recipe(loop=False)).fault


def made_up(total: float, fault: str) -> Scores:
    return Scores(marks=(Mark(name="seam", score=total, measured="", fault=fault),), total=total)


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.sampled_from(["", "heard"])), max_size=12))
def test_the_order_is_whole_stable_and_puts_faults_last(field: list[tuple[float, str]]) -> None:
    order = ranked([made_up(*one) for one in field])
    assert sorted(order) == list(range(len(field)))
    keys = [(bool(field[index][1]), -field[index][0], index) for index in order]
    assert keys == sorted(keys)


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=4000), st.booleans(), st.booleans())
def test_any_take_that_can_be_finished_has_marks_from_0_to_1(values: list[float], loop: bool, known: bool) -> None:
    samples = np.array([values, values], dtype=np.float32)
    facts = Facts(loop_frames=samples.shape[1] if known and loop else 0)
    performed = Take(Audio(samples, 8000), facts, Provenance(generator="tone", version="1", licence=""))
    asked = recipe(loop=loop, duration_s=1.0)
    try:
        master = finish(performed, asked.finish)
    except GenerationError:
        return
    found = score(performed, master, asked)
    assert all(0 <= mark.score <= 1 and mark.name in WEIGHTS for mark in found.marks)
    assert 0 <= found.total <= 1
