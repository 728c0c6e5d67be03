"""The catalogue and its code: what they say is what a decoder finds, and compilers take them as they are."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import soundfile
from conftest import Game
from hypothesis import given
from hypothesis import strategies as st

from tydust_assetgen.exports.catalog import tracks_of
from tydust_assetgen.exports.codegen import code
from tydust_assetgen.exports.names import names_of, pascal, upper
from tydust_assetgen.flow import Facts, Output, SectionTime, Sound
from tydust_assetgen.manifest.settings import CODE
from tydust_assetgen.system import digest_file

HEAD = """
[game]
name = "Test"
{game}
[defaults]
generator = "tone"
duration = 2
"""
TWO = (
    '[music]\n"music/one.ogg" = "first"\n"music/two.ogg" = {prompt = "second", also = ["wav", "opus"], loop = false}\n'
)


def write(game: Game, body: str = TWO, keys: str = 'catalog = "catalog.json"') -> None:
    game.write(body, HEAD.format(game=keys))


def catalogue(game: Game) -> dict[str, Any]:
    paper: dict[str, Any] = json.loads(game.path("catalog.json").read_bytes())
    return paper


def test_it_says_what_a_decoder_finds(game: Game) -> None:
    write(game)
    game.build()
    paper = catalogue(game)
    assert (paper["assetgen_catalog"], paper["game"]) == (1, "Test")
    assert [track["slot"] for track in paper["tracks"]] == ["music/one.ogg", "music/two.ogg"]
    assert [[file["path"] for file in track["files"]] for track in paper["tracks"]] == [
        ["music/one.ogg"],
        ["music/two.ogg", "music/two.wav", "music/two.opus"],
    ]
    for track in paper["tracks"]:
        for file in track["files"]:
            path = game.path(file["path"])
            heard = soundfile.info(path)
            assert (file["frames"], file["rate_hz"], file["channels"]) == (heard.frames, heard.samplerate, 2)
            assert file["seconds"] == pytest.approx(heard.frames / heard.samplerate, abs=1e-6)
            assert (file["sha256"], file["bytes"]) == (digest_file(path), path.stat().st_size)
            assert -16.6 <= file["lufs"] <= -15.4
    one, two = paper["tracks"]
    assert one["files"][0]["loop"] == {"start_frames": 0, "end_frames": 88200, "start_s": 0.0, "end_s": 2.0}
    assert (one["loop"], two["loop"], two["files"][0]["loop"]) == (True, False, None)


def test_it_is_written_only_when_it_changes(game: Game) -> None:
    write(game)
    game.build()
    path = game.path("catalog.json")
    before = path.stat().st_mtime_ns
    assert game.counts() == {"fresh": 2}
    write(game, TWO + "# a comment\n")
    game.build()
    assert path.stat().st_mtime_ns == before
    write(game, TWO.replace("first", "changed"))
    game.build("music/one.ogg")
    assert [track["slot"] for track in catalogue(game)["tracks"]] == ["music/one.ogg", "music/two.ogg"]
    assert catalogue(game)["tracks"][0]["files"][0]["sha256"] == game.digests()["music/one.ogg"]
    write(game, TWO.split("\n", 2)[0] + "\n" + TWO.split("\n", 2)[1] + "\n")
    game.build()
    assert [track["slot"] for track in catalogue(game)["tracks"]] == ["music/one.ogg"]


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "edited"])
def test_what_is_missing_or_damaged_is_noticed_and_written_again(game: Game, damage: str) -> None:
    write(game)
    game.build()
    assert game.run("check").returncode == 0
    path = game.path("catalog.json")
    right = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes({"empty": b"", "cut": right[:-20], "edited": right.replace(b"Test", b"Else")}[damage])
    done = game.run("check")
    assert done.returncode == 1
    assert "not fresh: `catalog.json` is " in done.stderr
    assert "`assetgen build` writes it" in done.stderr
    (found,) = json.loads(game.run("check", "--json").stdout)["beside"]
    assert found["status"] == ("missing" if damage == "missing" else "stale")
    assert game.run("build").returncode == 0
    assert path.read_bytes() == right
    assert game.run("check").returncode == 0


def test_a_persons_file_is_left_alone(game: Game) -> None:
    write(game, keys='catalog = "catalog.json"\ncatalog_code = "music.py"')
    game.path("x").parent.mkdir()
    game.path("catalog.json").write_text('{"mine": true}')
    game.path("music.py").write_text("mine = True\n")
    done = game.run("build")
    assert done.returncode == 0
    assert "`catalog.json` is a file of yours: left alone" in done.stderr
    assert "`music.py` is a file of yours: left alone" in done.stderr
    assert game.path("catalog.json").read_text() == '{"mine": true}'
    assert game.path("music.py").read_text() == "mine = True\n"
    assert game.run("check").returncode == 1
    game.path("catalog.json").unlink()
    game.path("music.py").unlink()
    assert game.run("build").returncode == 0
    assert len(catalogue(game)["tracks"]) == 2
    assert game.run("check").returncode == 0


def test_tracks_of_before_are_in_it_too(game: Game) -> None:
    """Also where the lock file does not say yet how a file sounds, and where the file comes back from the store."""
    write(game, keys="")
    game.build()
    assert not game.path("catalog.json").exists()
    write(game)
    assert game.counts() == {"fresh": 2}
    whole = catalogue(game)
    lock = game.project.lock_file
    parts = lock.read_text().split('"sound": ')
    lock.write_text("".join([parts[0], *('"sound": null' + part[part.index("\n      }") + 8 :] for part in parts[1:])]))
    assert '"frames"' not in lock.read_text()
    game.path("catalog.json").unlink()
    game.build()
    assert catalogue(game) == whole
    game.path("music/one.ogg").unlink()
    lock.unlink()
    game.build()
    assert catalogue(game) == whole


def test_an_adopted_file_is_measured(game: Game) -> None:
    write(game)
    game.build()
    shutil.copy(game.path("music/two.ogg"), game.path("music/one.ogg"))
    assert game.run("adopt", "music/one.ogg").returncode == 0
    game.build()
    one, two = (track["files"][0] for track in catalogue(game)["tracks"])
    assert (one["sha256"], one["frames"], one["lufs"]) == (two["sha256"], two["frames"], two["lufs"])


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ('catalog = "../catalog.json"', "`game.catalog` is no path in the asset tree"),
        ('catalog = "catalog.txt"', "is no JSON file"),
        ('catalog_code = ["c", "cobol"]', "names no language"),
        ('catalog_code = ["c", "music.h"]', "is written twice"),
        ('catalog_code = "NUL.h"', "reserves"),
        ('engine = "quake"', "must be one of"),
    ],
)
def test_mistakes_are_said_with_their_place(game: Game, keys: str, words: str) -> None:
    write(game, keys=keys)
    done = game.run("build")
    assert done.returncode == 2
    assert "error: assets.toml:4: " in done.stderr
    assert words in done.stderr
    assert "hint:" in done.stderr or "must be one of" in done.stderr


def test_a_path_through_a_link_out_of_the_tree_is_refused(game: Game) -> None:
    write(game, keys='catalog = "out/catalog.json"')
    game.path("x").parent.mkdir()
    game.path("out").symlink_to(game.root)
    done = game.run("build")
    assert done.returncode == 2
    assert not (game.root / "catalog.json").exists()


# names

SLOTS = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="/\\"), min_size=1, max_size=8).map(lambda s: f"{s}.ogg"),
    unique=True,
    max_size=12,
)


@given(SLOTS)
def test_names_are_identifiers_and_only_their_own(slots: list[str]) -> None:
    names = names_of(slots)
    for style in (str, upper, pascal):
        said = [style(name) for name in names.values()]
        assert all(name.isidentifier() and name.isascii() for name in said)
        assert len({name.replace("_", "").lower() for name in said}) == len(slots)


def test_names_do_not_depend_on_order_or_company() -> None:
    assert names_of(["music/phase1_calm.ogg"]) == {"music/phase1_calm.ogg": "phase1_calm"}
    both = names_of(["a-b.ogg", "a_b.wav", "c.ogg"])
    assert both == {"a-b.ogg": "a_b_ogg", "a_b.wav": "a_b_wav", "c.ogg": "c"}
    assert names_of(["a_b.wav", "c.ogg", "a-b.ogg"]) == both
    assert names_of(["1up.ogg", "music/self.ogg", "é.ogg", "日.ogg"]) == {
        "1up.ogg": "track_1up",
        "music/self.ogg": "self_",
        "é.ogg": "e",
        "日.ogg": "track_",
    }


# code

ODD = (
    "music/one.ogg",
    "self.ogg",
    "none.ogg",
    "pi.ogg",
    "it's größe 1 [x] {y} $z.wav",
    "日本.ogg",
    "class.ogg",
    "1.ogg",
)


@pytest.fixture
def odd(game: Game) -> Game:
    """Slots with names that are hard on languages. Their sounds don't matter here."""
    game.slots({"music/one.ogg": "first"})
    game.build()
    return game


HOSTILE = 'D minor\n\r\t\0\x1b\u2028*/ "; system("x") \\\\ ??/ ${x} #{y}\n'
"""A lock file may come from anyone, and its keys go into code."""


def _text(game: Game, language: str, slots: tuple[str, ...]) -> bytes:
    import msgspec

    entry = game.lock.entry("music/one.ogg")
    assert entry is not None
    (own,) = entry.outputs
    entry = msgspec.structs.replace(entry, facts=msgspec.structs.replace(entry.facts, key=HOSTILE))
    entries = []
    for slot in slots:
        output = Output(path=slot, codec="wav" if slot.endswith("wav") else "ogg")
        entries.append(
            msgspec.structs.replace(entry, slot=slot, outputs=(msgspec.structs.replace(own, output=output),))
        )
    return code(language, "music", tracks_of(entries, lambda *_: True))


STRICT = ("-Wall", "-Wextra", "-Werror")
COMPILERS: dict[str, tuple[str, ...]] = {
    "c": ("gcc", "-std=c99", "-pedantic", *STRICT, "-include", "music.h", "main.c", "-o", "out"),
    "cpp": ("g++", "-std=c++17", *STRICT, "-include", "music.hpp", "main.cpp", "-o", "out"),
    "rust": ("rustc", "-D", "warnings", "main.rs", "-o", "out"),
    "csharp": ("mcs", "-warnaserror", "Music.cs", "Main.cs", "-out:out"),
}
MAINS = {
    "c": ("main.c", '#include <stdio.h>\nint main(void) { printf("%d %s", music_count, @); return 0; }\n'),
    "cpp": ("main.cpp", '#include <cstdio>\nint main() { std::printf("%d %s", int(music::count), @); }\n'),
    "rust": ("main.rs", 'mod music;\nfn main() { print!("{} {}", music::ALL.len(), @); }\n'),
    "csharp": ("Main.cs", "using Assetgen;\nclass P { public static string S = @; static void Main() {} }\n"),
}
NONE = {
    "c": "music_tracks[MUSIC_NONE_].path",
    "cpp": "music::track(music::Id::None_).path",
    "rust": "music::Music::None_.track().path",
    "csharp": "Music.None_.Track().Path",
}


@pytest.mark.parametrize("slots", [ODD, ()], ids=["odd", "empty"])
@pytest.mark.parametrize("language", COMPILERS)
def test_compilers_take_it(odd: Game, tmp_path: Path, language: str, slots: tuple[str, ...]) -> None:
    words = COMPILERS[language]
    if shutil.which(words[0]) is None or subprocess.run([words[0], "--version"], capture_output=True).returncode:
        pytest.skip(f"no {words[0]} here")
    (tmp_path / CODE[language]).write_bytes(_text(odd, language, slots))
    name, text = MAINS[language]
    (tmp_path / name).write_text(text.replace("@", NONE[language] if slots else '"none"'))
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    if language != "csharp":  # that would need a runtime
        said = subprocess.run(["./out"], cwd=tmp_path, capture_output=True, check=True).stdout.decode()
        assert said == (f"{len(slots)} none.ogg" if slots else "0 none")


def test_python_reads_it(odd: Game) -> None:
    space: dict[str, Any] = {}
    exec(compile(_text(odd, "python", ODD), "music.py", "exec"), space)  # our own text
    assert [one.value.path for one in space["Music"]] == list(ODD)
    assert space["Music"].ONE.value.loop_end == 88200
    assert ast.parse(_text(odd, "python", ()))


def test_gdscript_parses(odd: Game, tmp_path: Path) -> None:
    """With gdtoolkit's grammar, where it is installed: Godot itself is no part of the tests."""
    pytest.importorskip("gdtoolkit")
    for slots in (ODD, ()):
        (tmp_path / "music.gd").write_bytes(_text(odd, "gdscript", slots))
        words = [sys.executable, "-c", "from gdtoolkit.parser import parser; parser.parse(open('music.gd').read())"]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_code_is_written_where_it_is_asked_for(game: Game) -> None:
    write(game, keys='catalog_code = ["c", "code/Tracks.cs"]')
    game.build()
    assert sorted(path for path in game.digests() if "music/" not in path) == ["code/Tracks.cs", "music.h"]
    assert "MUSIC_TWO = 1," in game.path("music.h").read_text()


def test_sections_end_with_the_sound(odd: Game) -> None:
    import msgspec

    entry = odd.lock.entry("music/one.ogg")
    assert entry is not None
    (own,) = entry.outputs
    sound = Sound(frames=100_000, rate_hz=50_000, channels=1, lufs=-16.0, true_peak_dbtp=-1.0)
    facts = Facts(sections=(SectionTime("in", 0, 1.5), SectionTime("out", 1.5, 3), SectionTime("gone", 4.5, 1)))
    changed = msgspec.structs.replace(entry, facts=facts, outputs=(msgspec.structs.replace(own, sound=sound),))
    (track,) = tracks_of([changed], lambda *_: True)
    assert [(one.name, one.start_s, one.end_s) for one in track.sections] == [("in", 0, 1.5), ("out", 1.5, 2.0)]
    assert (track.bpm, track.beats_per_bar, track.key) == (0, 0, "")
