"""The words that lead a performance."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tydust_assetgen.flow import Brief, Section
from tydust_assetgen.generate.musicgen.spec.section_text import section_texts
from tydust_assetgen.prompt import Parts, read, write

SECTIONS = (
    Section("intro", 12, "introspective, atmospheric synth pads"),
    Section("main", 36, "wonder and discovery, layered arpeggios, warm analog bass"),
    Section("outro", 12, "reflective melodic lead"),
)
PARTS = Parts(
    genre="synthwave",
    atmosphere="space exploration music",
    key="D minor",
    bpm=90,
    sections=SECTIONS,
    instruments=("warm analog bass", "melodic lead", "soft drum machine"),
    moods=("calm", "mysterious"),
    aesthetic="80s synthesizer aesthetic",
    quality="Professional quality",
)
BRIEF = Brief(
    generator="musicgen",
    prompt=write(PARTS),
    duration_s=60,
    seed=1,
    genre="synthwave",
    key="D minor",
    bpm=90,
    sections=SECTIONS,
    instruments=PARTS.instruments,
    moods=PARTS.moods,
)


def test_one_text_is_the_whole_prompt_word_for_word() -> None:
    assert section_texts(BRIEF, per_section=False) == ((BRIEF.prompt, 60.0),)


def test_each_section_is_led_by_what_holds_everywhere_and_by_its_own_words() -> None:
    led = section_texts(BRIEF, per_section=True)
    assert [one.seconds for one in led] == [12, 36, 12]
    for one, section in zip(led, SECTIONS, strict=True):
        told = read(one.text)
        assert section.prompt in one.text
        assert (told.genre, told.key, told.bpm, told.aesthetic) == (
            "synthwave",
            "D minor",
            90,
            "80s synthesizer aesthetic",
        )
        assert set(told.moods) >= {"calm", "mysterious"}
        assert all(other.prompt not in one.text for other in SECTIONS if other is not section)


def test_instruments_of_other_sections_are_left_out() -> None:
    intro, main, outro = (one.text for one in section_texts(BRIEF, per_section=True))
    assert "warm analog bass" in main
    assert "warm analog bass" not in intro + outro
    assert "melodic lead" not in intro + main
    assert all("soft drum machine" in text for text in (intro, main, outro))


def test_words_stand_in_the_order_of_the_pattern() -> None:
    text = section_texts(BRIEF, per_section=True)[1].text
    places = [text.index(word) for word in ("Synthwave", "D minor", "90 BPM", "wonder", "soft drum", "calm", "80s")]
    assert places == sorted(places)


def test_sections_without_words_of_their_own_are_named() -> None:
    plain = msgspec.structs.replace(BRIEF, sections=(Section("intro", 4), Section("main", 8)))
    assert ["Intro." in one.text or "Main." in one.text for one in section_texts(plain, per_section=True)] == [
        True,
        True,
    ]


def test_neighbours_that_say_the_same_are_one_stretch() -> None:
    twice = (*SECTIONS[:1], *SECTIONS[:1], SECTIONS[1])
    led = section_texts(msgspec.structs.replace(BRIEF, sections=twice), per_section=True)
    assert [one.seconds for one in led] == [24, 36]


def test_without_sections_there_is_one_text() -> None:
    plain = msgspec.structs.replace(BRIEF, sections=())
    assert section_texts(plain, per_section=True) == ((BRIEF.prompt, 60.0),)


@given(st.lists(st.builds(Section, st.text(max_size=20), st.floats(0.1, 60), st.text(max_size=80)), max_size=6))
def test_any_words_keep_their_time(sections: list[Section]) -> None:
    brief = msgspec.structs.replace(BRIEF, sections=tuple(sections))
    led = section_texts(brief, per_section=True)
    expected = sum(section.seconds for section in sections) if sections else 60.0
    assert abs(sum(one.seconds for one in led) - expected) < 1e-6
    assert all(one.text for one in led)
