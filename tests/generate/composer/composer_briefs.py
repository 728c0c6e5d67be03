"""Briefs for the composer's tests, and what a listener would ask about a score."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tydust_assetgen.flow import Brief, Section
from tydust_assetgen.generate.composer.score import Note, Part, Score

GENRES = ("synthwave", "darkwave", "industrial", "chiptune")
NOTES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
KEYS = tuple(f"{note} {mode}" for note in NOTES for mode in ("minor", "major"))


def brief(**fields: Any) -> Brief:
    """A minute of synthwave, unless said otherwise."""
    usual: dict[str, Any] = {"prompt": "music for flying", "duration_s": 60.0, "seed": 1, "genre": "synthwave"}
    return Brief(generator="composer", **{**usual, **fields})


def calm(**fields: Any) -> Brief:
    """The track phase1_calm of the game."""
    sections = (
        Section("intro", 12, "introspective, atmospheric synth pads and subtle arpeggios"),
        Section(
            "main", 36, "building wonder and discovery with layered arpeggiated synth leads, warm analog synth bass"
        ),
        Section("outro", 12, "reflective melodic lead transitioning smoothly back to intro"),
    )
    usual: dict[str, Any] = {
        "prompt": "Synthwave 80s retro space exploration music, soft 80s drum machine, mysterious mood",
        "key": "D minor",
        "bpm": 90.0,
        "sections": sections,
    }
    return brief(**{**usual, **fields})


def parts(score: Score, role: str) -> list[Part]:
    return [part for part in score.parts if part.role == role]


def notes(score: Score, role: str) -> list[Note]:
    return [note for part in parts(score, role) for note in part.notes]


def bar_ticks(score: Score) -> int:
    return score.ticks // score.bars


def in_bar(score: Score, role: str, bar: int) -> list[Note]:
    ticks = bar_ticks(score)
    return [note for note in notes(score, role) if bar * ticks <= note.start < (bar + 1) * ticks]


@st.composite
def briefs(draw: st.DrawFn) -> Brief:
    """Anything a manifest may ask for that the composer can write."""
    bpm = draw(st.sampled_from([0.0, 60.0, 75.5, 90.0, 128.0, 170.0]))
    duration_s = draw(st.floats(10.0, 150.0))
    words = ("calm", "dark", "driving", "no drums", "square lead", "choir pads alone", "layered arpeggios", "building")
    text = st.lists(st.sampled_from(words), max_size=3).map(", ".join)
    lengths = draw(st.lists(st.floats(3.0, 40.0), max_size=3))
    return brief(
        prompt=draw(text),
        genre=draw(st.sampled_from([*GENRES, ""])),
        key=draw(st.sampled_from([*KEYS, ""])),
        bpm=bpm,
        duration_s=duration_s,
        seed=draw(st.integers(0, 1000)),
        loop=draw(st.booleans()),
        sections=tuple(Section(f"part {i}", length, draw(text)) for i, length in enumerate(lengths)),
        parameters={"beats_per_bar": draw(st.sampled_from([3, 4])), "swing": draw(st.sampled_from([0.0, 0.6, 1.0]))},
    )
