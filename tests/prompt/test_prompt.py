"""Prompts: what is read from human words, what is not, and that what is written is read back."""

# ruff: noqa: E501 (a case is a line)

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tydust_assetgen.flow import Section
from tydust_assetgen.prompt import GENRES, MAX_CHARACTERS, Parts, parse_key, read, write

PHASE1_CALM = (
    "Synthwave 80s retro space exploration music, D minor key, 90 BPM. 12 second introspective intro with atmospheric "
    "synth pads and subtle arpeggios establishing mood. 36 second main theme building wonder and discovery with layered "
    "arpeggiated synth leads, warm analog synth bass, lush atmospheric pad layers creating depth. 12 second outro with "
    "reflective melodic lead transitioning smoothly back to intro for seamless looping. Retro 1980s synthesizer aesthetic "
    "with warm vintage sound, light touch of reverb and delay for ethereal quality, minimal percussion with soft 80s drum "
    "machine, mysterious and contemplative mood perfect for calm space exploration. Professional quality synthwave "
    "composition with clear melodic hooks and emotional resonance."
)


def test_the_whole_text_of_phase1_calm() -> None:
    assert read(PHASE1_CALM) == Parts(
        genre="synthwave",
        atmosphere="80s retro space exploration music",
        key="D minor",
        bpm=90,
        duration_s=0,
        sections=(
            Section("intro", 12, "introspective, atmospheric synth pads and subtle arpeggios establishing mood"),
            Section(
                "main",
                36,
                "building wonder and discovery with layered arpeggiated synth leads, warm analog synth bass, "
                "lush atmospheric pad layers creating depth",
            ),
            Section("outro", 12, "reflective melodic lead transitioning smoothly back to intro for seamless looping"),
        ),
        instruments=(
            "atmospheric synth pads",
            "subtle arpeggios",
            "layered arpeggiated synth leads",
            "warm analog synth bass",
            "lush atmospheric pad layers",
            "reflective melodic lead",
            "minimal percussion",
            "soft 80s drum machine",
        ),
        moods=(
            "introspective", "wonder", "discovery", "reflective", "ethereal", "mysterious", "contemplative", "calm",
        ),
        aesthetic="Retro 1980s synthesizer aesthetic with warm vintage sound, light touch of reverb and delay for ethereal "
        "quality, minimal percussion with soft 80s drum machine, mysterious and contemplative mood perfect for calm space "
        "exploration",
        quality="Professional quality synthwave composition with clear melodic hooks and emotional resonance",
        loop=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("D minor key", "D minor"), ("in d minor", "D minor"), ("in the key of F sharp minor at 128bpm", "F# minor"),
        ("key: B♭ major", "Bb major"), ("Eb major, bright", "Eb major"), ("a sad piece in A minor", "A minor"),
        ("A minor, 90 BPM", "A minor"), ("90 BPM, A minor", "A minor"), ("A flat major arpeggios", "Ab major"),
        ("key of a minor", "A minor"), ("key of Am", "A minor"), ("in F#m, fast", "F# minor"), ("C# min", "C# minor"),
        ("from D minor to F major", "D minor"), ("A minor at 90", "A minor"), ("G-flat minor", "Gb minor"),
        # none of these names a key
        ("a major battle", ""), ("A minor setback", ""), ("a key moment", ""), ("in a minor way", ""), ("I am alone", ""),
        ("I Am", ""), ("A major breakthrough in music", ""), ("a sharp minor detail", ""), ("minor chords", ""),
        ("the second minor theme", ""), ("grade A major label sound", ""), ("5 cm", ""), ("vitamin-c major", ""), ("", ""),
    ],
)  # fmt: skip
def test_keys_in_words(text: str, key: str) -> None:
    assert read(text).key == key


@pytest.mark.parametrize(
    "text", ["", "D", "H minor", "minor", "D dorian", "D minorish", "D minor " * 9, "Db# major", "d7"]
)
def test_what_is_no_key(text: str) -> None:
    assert parse_key(text) == ""


@pytest.mark.parametrize(
    ("text", "bpm"),
    [
        ("90 BPM", 90), ("at 128bpm", 128), ("tempo: 90", 90), ("tempo of 72.5", 72.5), ("90 beats per minute", 90),
        ("BPM = 140", 140), ("120-bpm groove", 120), ("pads, 92.5 BPM.", 92.5), ("tempo is around 60", 60),
        ("90-100 BPM", 0), ("fast tempo", 0), ("80s synths", 0), ("8-bit", 0), ("1980s", 0), ("90 bars", 0), ("up-tempo 12 bars", 0),
    ],
)  # fmt: skip
def test_tempo_in_words(text: str, bpm: float) -> None:
    assert read(text).bpm == bpm


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("a 40 second loop", 40), ("1:30 long", 90), ("a half-minute jingle", 30), ("half a minute of dread", 30),
        ("a two minute piece", 120), ("a 90-second track", 90), ("lasting 45 seconds", 45), ("duration: 60 s", 60),
        ("a 12.5 s stinger", 12.5), ("60 seconds long", 60), ("1.5 minutes in length", 90), ("a 30 second title theme", 30),
        ("a 6 second sad game over jingle", 6), ("one minute of music", 60), ("runs for about 20 seconds", 20),
        ("a 2 second delay", 0), ("80s track", 0), ("a 90s techno loop", 0), ("the second loop", 0), ("3 second reverb tail", 0),
        ("a second theme", 0), ("12 second intro", 0), ("at 1:30 the drums enter", 0),
    ],
)  # fmt: skip
def test_length_in_words(text: str, seconds: float) -> None:
    assert read(text).duration_s == seconds


@pytest.mark.parametrize(
    ("text", "sections"),
    [
        ("12 second intro, 36 second main, 12 second outro", [("intro", 12, ""), ("main", 36, ""), ("outro", 12, "")]),
        ("12s intro then 36s main and 12s outro", [("intro", 12, ""), ("main", 36, ""), ("outro", 12, "")]),
        ("intro (12 s), main theme (36 s)", [("intro", 12, ""), ("main", 36, "")]),
        ("intro: 12 seconds, outro: 8 seconds", [("intro", 12, ""), ("outro", 8, "")]),
        ("an intro of 12 seconds with bells", [("intro", 12, "bells")]),
        ("1 minute main theme with strings", [("main", 60, "strings")]),
        ("half-minute breakdown: steam", [("breakdown", 30, "steam")]),
        ("0:45 chorus", [("chorus", 45, "")]),
        ("Twelve second intro", []),
        ("12 seconds slow introspective intro with pads", [("intro", 12, "slow introspective, pads")]),
        ("8 second introduction. 8 second ending.", [("intro", 8, ""), ("outro", 8, "")]),
        ("9.6 second build-up with toms", [("build", 9.6, "toms")]),
        ("12 second stab A: cold brass", [("stab A", 12, "cold brass")]),
        ("a second verse", []),
        ("the main theme returns", []),
    ],
)  # fmt: skip
def test_sections_in_words(text: str, sections: list[tuple[str, float, str]]) -> None:
    assert read(text).sections == tuple(Section(*section) for section in sections)


@pytest.mark.parametrize(
    ("text", "loop"),
    [
        ("seamless looping", True), ("loops seamlessly", True), ("a 40 second loop", True), ("loopable", True),
        ("non-looping", False), ("no loop", False), ("plays once", False), ("a one-shot stinger", False),
        ("does not loop", False), ("drum loops and pads", None), ("looping arpeggios", None), ("pads, looping", True), ("pads", None),
    ],
)  # fmt: skip
def test_loops_in_words(text: str, loop: bool | None) -> None:
    assert read(text).loop is loop


@pytest.mark.parametrize(
    ("text", "genre"),
    [
        ("Synthwave music", "synthwave"), ("dark synth-wave", "synthwave"), ("a chip tune", "chiptune"), ("8-bit leads", ""),
        ("Dark wave with industrial drums", "darkwave"), ("INDUSTRIAL", "industrial"), ("industrialist", ""), ("", ""),
    ],
)  # fmt: skip
def test_genres_in_words(text: str, genre: str) -> None:
    assert read(text).genre == genre


def test_genres_of_ones_own() -> None:
    assert read("Lo-fi Hip.Hop beats", ["lo-fi hip.hop"]).genre == "lo-fi hip.hop"
    assert read("synthwave", []).genre == ""


@pytest.mark.parametrize(
    ("text", "instruments"),
    [
        ("8-bit square leads over a triangle bass", ("8-bit square leads", "triangle bass")),
        ("no drums, without guitars, soft piano", ("soft piano",)),
        ("which leads back to the start", ()),
        ("synthesizer music, retro synth sound", ()),
        ("square, triangle", ()),
        ("a solo violin and a solo violin", ("solo violin",)),
        ("driving four on the floor kick drum, hi-hats", ("kick drum", "hi-hats")),
    ],
)
def test_instruments_in_words(text: str, instruments: tuple[str, ...]) -> None:
    assert read(text).instruments == instruments


def test_line_breaks_are_spaces() -> None:
    wrapped = (
        PHASE1_CALM.replace("D minor", "D\n  minor")
        .replace("12 second", "12\nsecond")
        .replace("synth pads", "synth\npads")
    )
    assert read(wrapped) == read(PHASE1_CALM)
    assert read(PHASE1_CALM.replace(" ", "\n")) == read(PHASE1_CALM)


def test_paragraphs_and_list_items_are_sentences() -> None:
    parts = read("Darkwave dirge\n\n- 12 second intro with fog\n- 8 second outro\nInstruments: saw, bell\nMood: grim\n")
    assert (parts.genre, parts.atmosphere) == ("darkwave", "dirge")
    assert parts.sections == (Section("intro", 12, "fog"), Section("outro", 8))
    assert (parts.instruments, parts.moods) == (("saw", "bell"), ("grim",))


def test_labels_are_taken_at_their_word() -> None:
    parts = read("Pads everywhere. Instruments: kazoo, spoons and saw. Mood: itchy. Aesthetic: wet. Quality: fine.")
    assert (parts.instruments, parts.moods) == (("kazoo", "spoons", "saw"), ("itchy",))
    assert (parts.aesthetic, parts.quality) == ("wet", "fine")


# ---------------------------------------------------------------- what is written is read back

LETTERS = "bdfhjkqvxz"  # no word of these letters is a mood, an instrument, a number or a key
WORD = st.text(LETTERS, min_size=2, max_size=8)
PHRASE = st.lists(WORD, min_size=1, max_size=4).map(" ".join)
KEYS = st.builds(
    "{}{} {}".format, st.sampled_from("ABCDEFG"), st.sampled_from(["", "#", "b"]), st.sampled_from(["major", "minor"])
)
NAMES = (
    st.sampled_from(["intro", "main", "outro", "verse", "chorus", "bridge", "breakdown", "climax", "build"]) | PHRASE
)
SECONDS = st.integers(1, 600_000).map(lambda ms: ms / 1000)
SECTIONS = st.lists(st.builds(Section, NAMES, SECONDS, st.just("") | PHRASE), max_size=5).map(tuple)
LISTS = st.lists(PHRASE, max_size=4, unique=True).map(tuple)
PARTS = st.builds(
    Parts,
    genre=st.just("") | st.sampled_from(GENRES),
    atmosphere=st.just("") | PHRASE,
    key=st.just("") | KEYS,
    bpm=st.just(0.0) | st.integers(20_000, 300_000).map(lambda milli: milli / 1000),
    duration_s=st.just(0.0) | SECONDS,
    sections=SECTIONS,
    instruments=LISTS,
    moods=LISTS,
    aesthetic=st.just("") | PHRASE,
    quality=st.just("") | PHRASE,
    loop=st.none() | st.booleans(),
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(parts=PARTS)
def test_what_is_written_is_read_back(parts: Parts) -> None:
    assert read(write(parts)) == parts


FRAGMENTS = [
    "Synthwave", "dark", "A minor", "in D minor", "key", "90 BPM", "tempo: 128", "12 second intro", "with", "warm synth bass",
    "36 second main theme building wonder", "outro (8 s)", "a 40 second loop", "1:30 long", "half-minute", "80s drum machine",
    "plays once", "seamless looping", "mysterious and calm mood", "8-bit", "Retro aesthetic", "Professional quality sound",
    "Instruments: bass, bell", "Mood: calm", "a second verse", "leads back to", "no drums", "lush pads",
]  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(
    text=st.lists(st.tuples(st.sampled_from(FRAGMENTS), st.sampled_from([". ", ", ", " ", "; ", "\n"])), max_size=12)
)
def test_nothing_that_was_read_gets_lost_in_writing(text: list[tuple[str, str]]) -> None:
    parts = read("".join(word + mark for word, mark in text))
    again = read(write(parts))
    assert not parts.genre or again.genre == parts.genre
    assert not parts.key or again.key == parts.key
    assert not parts.bpm or again.bpm == parts.bpm
    assert [section.seconds for section in again.sections] == [section.seconds for section in parts.sections]


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=400) | st.text("0123456789: secondmiutBPM.AabDmajor#-()", max_size=400))
def test_anything_can_be_read(text: str) -> None:
    parts = read(text)
    assert all(section.seconds >= 0 for section in parts.sections)
    assert parts.bpm >= 0
    assert write(parts) == write(parts)


@pytest.mark.parametrize(
    "text",
    [
        "1 second " * 2000, "a " * 8000, "12 second a b c d e " * 900, "1:30 " * 3000, " " * 16000, "-" * 16000, "key of " * 3000,
        "intro of 1 " * 2000, "synth " * 3000, "A" * 16000, "1." * 8000, "(" * 16000, "a, and " * 3000, "no loop " * 2500,
        "half a minute" * 1500, "duration " * 2000, "\n" * 16000, "tempo tempo " * 2000, "9" * 16000,
    ],
)  # fmt: skip
def test_no_text_makes_it_slow(text: str) -> None:
    start_s = time.process_time()
    read(text)
    assert time.process_time() - start_s < 3


def test_only_the_beginning_of_an_endless_text_is_read() -> None:
    assert read(" " * MAX_CHARACTERS + "D minor").key == ""
    assert read(" " * (MAX_CHARACTERS - 7) + "D minor").key == "D minor"
