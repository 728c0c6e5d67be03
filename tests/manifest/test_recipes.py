"""From tables to recipes: what each key becomes, and who wins where several places say something."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tydust_assetgen.errors import ManifestError
from tydust_assetgen.flow import Output, Recipe, Reference, Section
from tydust_assetgen.manifest import Manifest, read_manifest

Make = Callable[[str], Recipe]
GAME = '[game]\nname = "Tydust"\n'


class Plain(msgspec.Struct, forbid_unknown_fields=True):
    """A generator with one parameter."""

    depth: int = 3


def test_the_short_form_reads_everything_from_its_text(recipe: Make) -> None:
    text = "Chiptune title theme, C major, 150 BPM, 8-bit square leads, a 20 second jingle that plays once, heroic"
    made = recipe(f'[music]\n"music/title_theme.ogg" = "{text}"')
    assert made.slot == "music/title_theme.ogg"
    assert (made.title, made.game, made.place) == ("Title Theme", "Tydust", "assets.toml:4")
    brief = made.brief
    assert (brief.genre, brief.key, brief.bpm, brief.duration_s) == ("chiptune", "C major", 150, 20)
    assert (brief.instruments, brief.moods) == (("8-bit square leads",), ("heroic",))
    assert (brief.loop, made.finish.loop) == (False, False)
    assert brief.prompt == text


def test_the_long_form_says_everything_by_fields(recipe: Make) -> None:
    made = recipe("""
        [music."a.wav"]
        title = "Night"
        genre = "darkwave"
        generator = "composer"
        key = "f♯ minor"
        bpm = 120
        seed = 4294967295
        loop = false
        loudness = -14
        true_peak = -1
        sample_rate = 48000
        channels = 1
        also = ["ogg", "mp3", "wav", "ogg"]
        ogg = { quality = 3 }
        mp3 = { bitrate = 320 }
        wav = { bits = 16 }
        instruments = ["cold  bass", "bell"]
        mood = "grim"
        strict = ["tempo", "key"]
        composer = { voices = 8 }
        sections = [{ name = "in", seconds = 8, prompt = "fog" }, { name = "out", seconds = 8.5 }]
    """)
    brief = made.brief
    assert (made.title, made.strict) == ("Night", ("key", "tempo"))
    assert (brief.genre, brief.key, brief.bpm, brief.seed) == ("darkwave", "F# minor", 120, 4294967295)
    assert brief.sections == (Section("in", 8, "fog"), Section("out", 8.5, ""))
    assert (brief.duration_s, brief.loop) == (16.5, False)
    assert (brief.instruments, brief.moods) == (("cold bass", "bell"), ("grim",))
    assert brief.parameters == {"swing": 0.1, "voices": 8, "tune": "", "style": "plain"}
    assert msgspec.structs.astuple(made.finish) == (False, -14, -1, 48000, 1)
    assert made.outputs == (
        Output(path="a.wav", codec="wav", bits="16"),
        Output(path="a.ogg", codec="ogg", quality=3),
        Output(path="a.mp3", codec="mp3", bitrate_kbps=320),
    )


def test_what_nobody_says_has_a_default(recipe: Make) -> None:
    made = recipe('[music]\n"a.ogg" = "warm pads"')
    assert msgspec.structs.astuple(made.finish) == (True, -16, -2, 44100, 2)
    brief = made.brief
    assert (brief.generator, brief.duration_s, brief.seed, brief.key, brief.bpm) == ("composer", 60, 0, "", 0)
    assert made.outputs == (Output(path="a.ogg", codec="ogg"),)


LAYERS = [
    ("bpm = 101", 101),  # the slot's own field
    ('prompt = "pads, 102 BPM"', 102),  # its text
    ("[genre.synthwave]\nbpm = 103", 103),  # the person's genre
    ("[defaults]\nbpm = 104", 104),  # the person's defaults
    ("", 100),  # the built-in genre
]


@pytest.mark.parametrize("strongest", range(len(LAYERS)))
def test_who_wins(recipe: Make, strongest: int) -> None:
    """Each layer wins over all that are weaker; only field and text of one slot may not disagree."""
    said = [text for text, _ in LAYERS[strongest:]]
    if strongest == 0:
        del said[1]
    tables = [text for text in said if text.startswith("[")]
    fields = [text for text in said if not text.startswith("[")]
    text = "\n".join([*tables, '[music."a.ogg"]', 'genre = "synthwave"', *fields])
    assert recipe(text).brief.bpm == LAYERS[strongest][1]


def test_defaults_and_genres_are_silently_weaker_than_the_text(recipe: Make) -> None:
    brief = recipe("""
        [defaults]
        key = "C major"
        loop = false
        duration = 10
        [music]
        "a.ogg" = "a 40 second loop in D minor"
    """).brief
    assert (brief.key, brief.loop, brief.duration_s) == ("D minor", True, 40)


def test_a_genre_of_ones_own(recipe: Make) -> None:
    made = recipe("""
        [genre.vaporwave]
        prompt = "slowed down mall music"
        aesthetic = "Worn tape aesthetic"
        bpm = 70
        key = "Gb major"
        instruments = ["electric piano"]
        also = ["mp3"]
        composer = { style = "rich" }
        [music."a.ogg"]
        genre = "vaporwave"
        composer = { voices = 2 }
    """)
    assert made.brief.prompt == (
        "Vaporwave slowed down mall music, Gb major key, 70 BPM, 60 seconds in total, looping. "
        "Instruments: electric piano. Aesthetic: Worn tape aesthetic."
    )
    assert made.brief.parameters == {"swing": 0.1, "voices": 2, "tune": "", "style": "rich"}
    assert [output.path for output in made.outputs] == ["a.ogg", "a.mp3"]


def test_a_built_in_genre_is_overridden_field_by_field(recipe: Make) -> None:
    brief = recipe('[genre.synthwave]\nbpm = 77\n[music."a.ogg"]\ngenre = "synthwave"').brief
    assert (brief.bpm, brief.key) == (77, "A minor")
    assert "80s drum machine" in brief.instruments


def test_a_genre_that_only_the_text_names_counts(recipe: Make) -> None:
    brief = recipe('[music]\n"a.ogg" = "gloomy dark wave piece"').brief
    assert (brief.genre, brief.bpm) == ("darkwave", 92)


@pytest.mark.parametrize(
    ("spelling", "key"),
    [
        ("D minor", "D minor"), ("d minor", "D minor"), ("D-minor", "D minor"), ("Dm", "D minor"), ("D min", "D minor"),
        ("E flat major", "Eb major"), ("F♯ minor", "F# minor"), ("F sharp minor", "F# minor"), ("Bb minor", "Bb minor"),
        ("b♭ MAJOR", "Bb major"), ("F#m", "F# minor"), ("Cmaj", "C major"), ("A minor key", "A minor"),
    ],
)  # fmt: skip
def test_spellings_of_a_key(recipe: Make, spelling: str, key: str) -> None:
    assert recipe(f'[music."a.ogg"]\nprompt = "pads"\nkey = "{spelling}"').brief.key == key


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ('prompt = "pads"\nduration = 20', {"": 20}),
        ('sections = [{ name = "a", seconds = 5 }, { name = "b", seconds = 7.25 }]', {"a": 5, "b": 7.25}),
        ('prompt = "12 second intro, 20 second main, 8 second outro"', {"intro": 12, "main": 20, "outro": 8}),
        ('prompt = "A 60 second loop. 12 second intro. 12 second outro."', {"intro": 12, "main": 36, "outro": 12}),
        ('prompt = "12 second intro"\nduration = 30', {"intro": 12, "main": 18}),
        ('prompt = "10 second intro, 10 second main"\nduration = 30', {"intro": 10, "main": 20}),
        ('prompt = "10 second intro. 20 second verse."', {"intro": 10, "verse": 20}),
    ],
)
def test_sections_fill_the_track(recipe: Make, text: str, seconds: dict[str, float]) -> None:
    brief = recipe(f'[music."a.ogg"]\n{text}').brief
    assert brief.duration_s == sum(seconds.values())
    assert {section.name: section.seconds for section in brief.sections} == {k: v for k, v in seconds.items() if k}


@pytest.mark.parametrize(
    "fields",
    [
        'prompt = "pads in Gb minor"\nkey = "F# minor"',
        'prompt = "from D minor to F major"\nkey = "F major"',
        'prompt = "90 BPM, then 120 BPM"\nbpm = 120',
        'prompt = "looping arpeggios that never rest"\nloop = false',
        'prompt = "a cold piece with industrial drums"\ngenre = "darkwave"',
        'prompt = "a minute of dread"\nduration = 59.6',
    ],
)
def test_what_is_no_contradiction(recipe: Make, fields: str) -> None:
    assert recipe(f'[music."a.ogg"]\n{fields}').slot == "a.ogg"


def test_a_genre_with_capitals_is_found_in_a_text(recipe: Make) -> None:
    assert recipe('[genre."Lo-Fi Hop"]\nbpm = 70\n[music]\n"a.ogg" = "a lo-fi hop piece"').brief.bpm == 70


def test_a_section_without_words_takes_those_of_the_text(recipe: Make) -> None:
    brief = recipe("""
        [music."a.ogg"]
        prompt = "12 second introspective intro with pads. 12 second outro with bells."
        sections = [{ name = "Introduction", seconds = 12 }, { name = "outro", seconds = 12, prompt = "silence" }]
    """).brief
    assert brief.sections == (Section("Introduction", 12, "introspective, pads"), Section("outro", 12, "silence"))


def test_a_prompt_stays_verbatim_and_what_it_leaves_out_follows(recipe: Make) -> None:
    brief = recipe(
        '[music."a.ogg"]\nprompt = "warm pads at dawn"\ngenre = "synthwave"\nkey = "D minor"\nbpm = 90'
    ).brief
    assert brief.prompt == "warm pads at dawn. Synthwave, D minor key, 90 BPM."


def test_options_that_a_codec_does_not_have_never_change_its_output(recipe: Make) -> None:
    plain = recipe('[music]\n"a.ogg" = "pads"')
    other = recipe('[defaults]\nmp3 = { bitrate = 320 }\nwav = { bits = "float" }\n[music]\n"a.ogg" = "pads"')
    assert plain.outputs == other.outputs


def test_another_generators_table_changes_nothing(recipe: Make) -> None:
    brief = recipe('[music."a.ogg"]\nprompt = "pads"\n[music."a.ogg".musicgen]\ntop_k = 20').brief
    assert brief == recipe('[music]\n"a.ogg" = "pads"').brief


def test_a_sound_to_follow_is_a_reference(recipe: Make) -> None:
    table = 'generator = "musicgen"\nmusicgen = { melody = "refs/theme.ogg", continue_from = "slot:b.ogg" }'
    brief = recipe(f'[music."a.ogg"]\nprompt = "pads"\n{table}\n[music]\n"b.ogg" = "pads"').brief
    assert brief.references == (Reference("refs/theme.ogg"), Reference("slot:b.ogg"))


def test_a_parameter_without_a_default_must_be_given(tmp_path: Path) -> None:
    needy = msgspec.defstruct("Needy", [("model", str)])
    path = tmp_path / "assets.toml"
    path.write_text(GAME + '[music]\n"a.ogg" = "pads"')
    manifest = read_manifest(path, {"composer": needy})
    with pytest.raises(ManifestError, match="missing required field `model`"):
        manifest.resolve(["a.ogg"])


# ---------------------------------------------------------------- independence

BLOCKS = [
    '[defaults]\nbpm = 100\nalso = ["mp3"]',
    '[genre.synthwave]\nkey = "E minor"\nmood = ["calm"]',
    '[music."a.ogg"]\nprompt = "pads"\nseed = 1\nkey = "D minor"',
    '[music."b.ogg"]\ngenre = "synthwave"\nogg = { quality = 3 }',
    '[music."c.ogg"]\nprompt = "Chiptune, C major"\n\n[music."c.ogg".composer]\nvoices = 2',
]


def _all(manifest: Manifest) -> dict[str, tuple[Recipe, bytes]]:
    made = manifest.resolve(manifest.slots)
    return {
        recipe.slot: (msgspec.structs.replace(recipe, place=""), manifest.fingerprint(recipe.slot)) for recipe in made
    }


def test_order_comments_and_formatting_do_not_matter(manifest: Callable[[str], Manifest]) -> None:
    plain = _all(manifest("\n".join(BLOCKS)))
    commented = "\n\n".join(f"# {block.splitlines()[0]}\n{block}  # said" for block in reversed(BLOCKS))
    assert _all(manifest(commented)) == plain
    spaced = "\n".join(BLOCKS).replace(" = ", "=").replace('"a.ogg"', "'a.ogg'").replace("bpm=100", "bpm = +1_00")
    assert _all(manifest(spaced)) == plain
    swapped = "\n".join(BLOCKS).replace('seed = 1\nkey = "D minor"', 'key = "D minor"\nseed = 1')
    assert _all(manifest(swapped)) == plain


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("seed = 1", "seed = 2", "a.ogg"),
        ("quality = 3", "quality = 4", "b.ogg"),
        ("voices = 2", "voices = 3", "c.ogg"),
        ("bpm = 100", "bpm = 101", "a.ogg b.ogg c.ogg"),
        ('name = "Tydust"', 'name = "Other"', "a.ogg b.ogg c.ogg"),
        ("C major", "C minor", "c.ogg"),
    ],
)
def test_a_fingerprint_changes_with_the_recipe(tmp_path: Path, old: str, new: str, changed: str) -> None:
    path, text = tmp_path / "assets.toml", GAME + "\n".join(BLOCKS)
    kinds = {"composer": msgspec.defstruct("Kind", [("voices", int, 4)])}
    assert old in text
    path.write_text(text)
    before = _all(read_manifest(path, kinds))
    path.write_text(text.replace(old, new))
    after = _all(read_manifest(path, kinds))
    assert {slot for slot in before if before[slot][1] != after[slot][1]} == set(changed.split())
    assert {slot for slot in before if before[slot][0] != after[slot][0]} == set(changed.split())


def test_a_fingerprint_changes_with_the_genre_that_a_slot_uses(manifest: Callable[[str], Manifest]) -> None:
    text = (
        '[genre.synthwave]\nkey = "E minor"\n[music."a.ogg"]\ngenre = "synthwave"\n[music."b.ogg"]\ngenre = "darkwave"'
    )
    before, after = manifest(text), manifest(text.replace("E minor", "F minor"))
    assert before.fingerprint("a.ogg") != after.fingerprint("a.ogg")
    assert before.fingerprint("b.ogg") == after.fingerprint("b.ogg")


def test_a_fingerprint_is_the_same_in_every_process(manifest: Callable[[str], Manifest]) -> None:
    here = manifest("\n".join(BLOCKS))
    code = (
        "import sys, pathlib, msgspec, tydust_assetgen.manifest as m\n"
        "names = msgspec.field(default_factory=lambda: [])\n"
        "kind = msgspec.defstruct('Kind', [('voices', int, 4), ('names', list, names)])\n"
        "found = m.read_manifest(pathlib.Path(sys.argv[1]), {'composer': kind})\n"
        "print(*(found.fingerprint(slot).hex() for slot in found.slots), 'numpy' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(here.path)]
    told = {
        subprocess.run(
            command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONHASHSEED": seed}
        ).stdout
        for seed in "01"
    }
    assert len(told) == 1
    assert told.pop().endswith(" False\n")


def test_a_fingerprint_has_16_bytes_and_knows_absurd_values(manifest: Callable[[str], Manifest]) -> None:
    text = '[music."a.ogg"]\nprompt = "pads"\nseed = '
    huge = [manifest(text + digits * 50).fingerprint("a.ogg") for digits in "12"]
    assert len({*huge}) == 2
    assert all(len(one) == 16 for one in huge)


NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=199)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    bpm=st.integers(20, 300),
    swing=st.floats(0, 0.5),
    name=NAMES,
)
def test_equal_recipes_go_with_equal_fingerprints(
    tmp_path_factory: pytest.TempPathFactory, seed: int, bpm: int, swing: float, name: str
) -> None:
    path = tmp_path_factory.mktemp("m") / "assets.toml"
    title = msgspec.json.encode(name + "x").decode()
    path.write_text(
        f'{GAME}[music."a.ogg"]\nprompt="pads"\ntitle={title}\nseed={seed}\nbpm={bpm}\ncomposer={{depth={seed % 9}}}',
        "utf-8",
    )
    one, other = (read_manifest(path, {"composer": Plain}) for _ in range(2))
    assert one.fingerprint("a.ogg") == other.fingerprint("a.ogg")
    assert one.resolve(["a.ogg"]) == other.resolve(["a.ogg"])
    assert one.resolve(["a.ogg"])[0].brief.bpm == bpm


def test_ten_thousand_slots_are_read_in_no_time(tmp_path: Path) -> None:
    """Wide limits, against a slip in the order of growth: what is usual stands in docs/performance.md."""
    path = tmp_path / "assets.toml"
    slots = "".join(f'"t{at}.ogg" = "Synthwave piece {at}, D minor, 90 BPM, warm bass"\n' for at in range(10_000))
    path.write_text(GAME + "[music]\n" + slots)
    start_s = time.process_time()
    manifest = read_manifest(path, {"composer": Plain})
    prints = {manifest.fingerprint(slot) for slot in manifest.slots}
    one = manifest.resolve(["t9999.ogg"])[0]
    assert time.process_time() - start_s < 6
    assert len(prints) == 10_000
    assert one.place == "assets.toml:10003"
