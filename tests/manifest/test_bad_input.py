"""Each way a manifest can be wrong: what is said, in which line, of which slot, with which hint."""

# ruff: noqa: E501 (a case is a line)

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tydust_assetgen.errors import ManifestError, Problem
from tydust_assetgen.manifest import MAX_BYTES, read_manifest

Problems = Callable[..., tuple[Problem, ...]]

MUSIC = "[music]\n"  # line 3, after the two lines of [game]
SLOT = '[music."a.ogg"]\nprompt = "warm pads"\n'  # lines 3 and 4

# what is written from line 3 on; the line, the slot, the message and (a part of) the hint that come out
OF_ONE_SLOT = {
    "unknown key": (SLOT + "bmp = 90", 5, "a.ogg", "unknown key `bmp`", "did you mean `bpm`?"),
    "unknown key, nothing near": (SLOT + "zzzz = 90", 5, "a.ogg", "unknown key `zzzz`", "known here: `also`"),
    "unknown key, and nothing else says what it sounds like": ('[music."a.ogg"]\npromt = "pads"', 4, "a.ogg", "unknown key `promt`", "did you mean `prompt`?"),
    "key of a generator": (SLOT + "swing = 0.2", 5, "a.ogg", "unknown key `swing`", "it goes into a table of `composer`: `composer = { swing = … }`"),
    "number in quotes": (SLOT + 'bpm = "120"', 5, "a.ogg", "`bpm` must be a number from 20 to 300, not `'120'`", "write it without quotes: `120`"),
    "bool in quotes": (SLOT + 'loop = "True"', 5, "a.ogg", "`loop` must be `true` or `false`", "write it without quotes: `true`"),
    "text for a number": (SLOT + 'bpm = "fast"', 5, "a.ogg", "`bpm` must be a number from 20 to 300, not `'fast'`", ""),
    "bool for a number": (SLOT + "bpm = true", 5, "a.ogg", "`bpm` must be a number from 20 to 300, not `true`", ""),
    "number for a bool": (SLOT + "loop = 1", 5, "a.ogg", "`loop` must be `true` or `false`, not `1`", ""),
    "date for a number": (SLOT + "bpm = 1979-05-27", 5, "a.ogg", "`bpm` must be a number from 20 to 300", ""),
    "fraction for a whole number": (SLOT + "seed = 1.5", 5, "a.ogg", "`seed` must be a whole number from 0", ""),
    "too small": (SLOT + "bpm = 19.9", 5, "a.ogg", "`bpm` must be a number from 20 to 300, not `19.9`", ""),
    "too large": (SLOT + "duration = 601", 5, "a.ogg", "`duration` must be a number from 0.5 to 600, not `601`", ""),
    "negative seed": (SLOT + "seed = -1", 5, "a.ogg", "`seed` must be a whole number from 0 to 4294967295", ""),
    "huge number": (SLOT + "seed = 1" + "0" * 400, 5, "a.ogg", "not a huge number", ""),
    "huge number of a key that takes fractions": (SLOT + "bpm = 1" + "0" * 400, 5, "a.ogg", "not a huge number", ""),
    "nan": (SLOT + "bpm = nan", 5, "a.ogg", "`bpm` is nan, not a finite number", "a number from 20 to 300"),
    "infinite": (SLOT + "loudness = -inf", 5, "a.ogg", "`loudness` is -inf, not a finite number", "from -40 to -5"),
    "infinite by size": (SLOT + "bpm = 1e999", 5, "a.ogg", "`bpm` is inf, not a finite number", ""),
    "no such choice": (SLOT + "channels = 3", 5, "a.ogg", "`channels` must be one of `1`, `2`, not `3`", ""),
    "no such rate": (SLOT + "sample_rate = 44000", 5, "a.ogg", "`sample_rate` must be one of `8000`", ""),
    "no such check": (SLOT + 'strict = ["tune"]', 5, "a.ogg", "`strict` must be a list of at most 2", ""),
    "no such format": (SLOT + 'also = ["mp4"]', 5, "a.ogg", "`also` must be a list of at most 6, each one of", ""),
    "unknown key of a codec": (SLOT + "ogg = { qualty = 3 }", 5, "a.ogg", "unknown key `qualty`", "`quality`"),
    "range of a codec": (SLOT + "ogg = { quality = 11 }", 5, "a.ogg", "`ogg.quality` must be a number from -1 to 10", ""),
    "codec that is no table": (SLOT + "mp3 = 192", 5, "a.ogg", "`mp3` must be a table, not `192`", ""),
    "float FLAC": (SLOT + 'flac = { bits = "float" }', 5, "a.ogg", "`flac.bits` must be one of `16`, `24`", ""),
    "MP3 bit rate": (SLOT + 'also = ["mp3"]\nmp3 = { bitrate = 190 }', 6, "a.ogg", "has no bit rate of 190", "is 192"),
    "MP3 sample rate": (SLOT + 'also = ["mp3"]\nsample_rate = 96000', 6, "a.ogg", "MP3 has no sample rate of 96000", ""),
    "blank name": (SLOT + 'instruments = ["bass", " "]', 5, "a.ogg", "`instruments` is empty", ""),
    "control character": (SLOT + 'title = "a\\u0007"', 5, "a.ogg", "`title` has a control character ('\\x07')", "remove it"),
    "key": (SLOT + 'key = "H minor"', 5, "a.ogg", "`key` is no key: `H minor`", "`D minor`"),
    "key with no mode": (SLOT + 'key = "D"', 5, "a.ogg", "`key` is no key: `D`", "a tonic and a mode"),
    "genre": (SLOT + 'genre = "synthwav"', 5, "a.ogg", "unknown genre `synthwav`", "did you mean `synthwave`?"),
    "generator": (SLOT + 'generator = "compser"', 5, "a.ogg", "unknown generator `compser`", "did you mean `composer`?"),
    "generator that is not here": (SLOT + 'generator = "theremin"', 5, "a.ogg", "unknown generator `theremin`", "`composer`"),
    "parameter": (SLOT + "composer = { swng = 0.2 }", 5, "a.ogg", "unknown key `swng`", "did you mean `swing`?"),
    "range of a parameter": (SLOT + "composer = { swing = 2 }", 5, "a.ogg", "`composer.swing` must be a number from 0 to 0.5", ""),
    "pattern of a parameter": (SLOT + 'composer = { tune = "A" }', 5, "a.ogg", "`composer.tune` must be a text", ""),
    "infinite parameter": (SLOT + "composer = { swing = inf }", 5, "a.ogg", "`composer.swing` is inf", ""),

    "no prompt": ('[music."a.ogg"]\nbpm = 90', 3, "a.ogg", "slot has no `prompt`", "say what it should sound like"),
    "empty prompt": ('[music."a.ogg"]\nprompt = "  "', 4, "a.ogg", "`prompt` is empty", ""),
    "empty short form": (MUSIC + '"a.ogg" = ""', 4, "a.ogg", "`prompt` is empty", ""),
    "endless prompt": (MUSIC + f'"a.ogg" = "{"x" * 8001}"', 4, "a.ogg", "at most 8000 characters", ""),
    "slot that is a number": (MUSIC + '"a.ogg" = 5', 4, "a.ogg", "must be a text (the short form) or a table", '"a.ogg" ='),
    "slot without quotes": ("[music.title.ogg]\nbpm = 90", 3, "title", "`title` is no file name", '[music."title.ogg"]'),
    "section without a name": (SLOT + "sections = [{ seconds = 3 }]", 5, "a.ogg", "`sections.0` has no `name`", ""),
    "section without a length": (SLOT + 'sections = [{ name = "a" }]', 5, "a.ogg", "`sections.0` has no `seconds`", ""),
    "section of no length": (SLOT + 'sections = [{ name = "a", seconds = 0 }]', 5, "a.ogg", "`sections.0.seconds` must be", ""),
    "sections that are a table": (SLOT + "sections = { a = 3 }", 5, "a.ogg", "`sections` must be a list", ""),
    "no sections": (SLOT + "sections = []", 5, "a.ogg", "`sections` must be a list of at least 1", ""),
    "too long in all": (
        SLOT + 'sections = [{ name = "a", seconds = 400 }, { name = "b", seconds = 400 }]', 5, "a.ogg",
        "the sections add up to 800 s; the limit is 600 s", "",
    ),
    "duration against sections": (
        SLOT + 'sections = [{ name = "a", seconds = 12 }]\nduration = 30', 6, "a.ogg",
        "`duration` is 30 s, but the sections add up to 12 s (assets.toml:5)", "remove `duration`",
    ),
    "tempo against the text": (
        '[music."a.ogg"]\nprompt = "pads, 90 BPM"\nbpm = 120', 5, "a.ogg",
        "`bpm` is 120, but the prompt says 90 BPM (assets.toml:4)", "say the same in both",
    ),
    "key against the text": (
        '[music."a.ogg"]\nprompt = "pads in D minor"\nkey = "C major"', 5, "a.ogg",
        "`key` is C major, but the prompt says D minor (assets.toml:4)", "say the same in both",
    ),
    "genre against the text": (
        '[music."a.ogg"]\nprompt = "Synth-wave pads"\ngenre = "darkwave"', 5, "a.ogg",
        "`genre` is darkwave, but the prompt says synthwave (assets.toml:4)", "say the same in both",
    ),
    "loop against the text": (
        '[music."a.ogg"]\nprompt = "a jingle that plays once"\nloop = true', 5, "a.ogg",
        "`loop` is true, but the prompt says that it does not loop (assets.toml:4)", "",
    ),
    "section against the text": (
        '[music."a.ogg"]\nprompt = "12 second intro with pads"\nsections = [{ name = "intro", seconds = 10 }]', 5, "a.ogg",
        "section `intro` is 10 s, but the prompt says 12 s (assets.toml:4)", "",
    ),
    "duration against the text": (
        '[music."a.ogg"]\nprompt = "a 40 second loop"\nduration = 30', 5, "a.ogg",
        "`duration` is 30 s, but the prompt says 40 s (assets.toml:4)", "",
    ),
    "text against itself": (
        MUSIC + '"a.ogg" = "A 20 second piece. 12 second intro. 12 second outro."', 4, "a.ogg",
        "the prompt's sections add up to 24 s, but the track is 20 s long", "change the seconds in the text",
    ),
    "section of the text": (MUSIC + '"a.ogg" = "0 second intro, 9 second main"', 4, "a.ogg", "the prompt's section `intro` has no length", "seconds"),
    "tempo of the text": (MUSIC + '"a.ogg" = "pads, 900 BPM"', 4, "a.ogg", "the prompt says 900 BPM", ""),
    "length of the text": (MUSIC + '"a.ogg" = "a 20 minute piece"', 4, "a.ogg", "the prompt says 1200 s", ""),
    "outside": (MUSIC + '"../x.ogg" = "pads"', 4, "../x.ogg", "slot lies outside the asset tree: `..` leads out", "inside the asset tree"),
    "outside, further in": (MUSIC + '"a/../../x.ogg" = "pads"', 4, "a/../../x.ogg", "slot lies outside the asset tree", ""),
    "absolute": (MUSIC + '"/etc/x.ogg" = "pads"', 4, "/etc/x.ogg", "slot lies outside the asset tree: it is an absolute path", ""),
    "home": (MUSIC + '"~/x.ogg" = "pads"', 4, "~/x.ogg", "slot lies outside the asset tree", ""),
    "drive": (MUSIC + '"C:/x.ogg" = "pads"', 4, "C:/x.ogg", "slot lies outside the asset tree: it is an absolute path", ""),
    "backslash": (MUSIC + "'a\\x.ogg' = \"pads\"", 4, "a\\x.ogg", "slot has a backslash", "write `/`"),
    "reserved": (MUSIC + '"a/con.ogg" = "pads"', 4, "a/con.ogg", "a name that Windows reserves: `con.ogg`", "choose another"),
    "reserved folder": (MUSIC + '"COM1/a.ogg" = "pads"', 4, "COM1/a.ogg", "a name that Windows reserves: `COM1`", ""),
    "NUL escaped": (MUSIC + '"a\\u0000.ogg" = "pads"', 4, "a\\x00.ogg", "character that no file name may have ('\\x00')", "remove it"),
    "newline": (MUSIC + '"a\\nb.ogg" = "pads"', 4, "a\\nb.ogg", "character that no file name may have ('\\n')", ""),
    "text that runs backwards": (MUSIC + '"a\\u202egpj.ogg" = "pads"', 4, "a\\u202egpj.ogg", "no file name may have", ""),
    "wildcard": (MUSIC + '"a*.ogg" = "pads"', 4, "a*.ogg", "character that no file name may have ('*')", ""),
    "trailing dot": (MUSIC + '"a./b.ogg" = "pads"', 4, "a./b.ogg", "ends with a dot", "Windows drops them"),
    "trailing space": (MUSIC + '"a /b.ogg" = "pads"', 4, "a /b.ogg", "begins or ends with a space", "Windows drops them"),
    "empty folder name": (MUSIC + '"a//b.ogg" = "pads"', 4, "a//b.ogg", "slot has an empty folder name", ""),
    "dot folder": (MUSIC + '"./b.ogg" = "pads"', 4, "./b.ogg", "slot has an empty folder name", ""),
    "empty name": (MUSIC + '" " = "pads"', 4, " ", "slot has an empty name", "name the file to write"),
    "long name": (MUSIC + f'"{"x" * 241}.ogg" = "pads"', 4, "x" * 241 + ".ogg", "a name longer than 240 bytes", ""),
    "long path": (MUSIC + f'"{"x/" * 200}a.ogg" = "pads"', 4, "x/" * 200 + "a.ogg", "longer than 400 characters", ""),
    "unknown extension": (MUSIC + '"a.oga" = "pads"', 4, "a.oga", "unknown extension `.oga`", "did you mean `.ogg`?"),
    "no extension": (MUSIC + '"a.b/title" = "pads"', 4, "a.b/title", "slot has no extension", "known: `.ogg`, `.mp3`"),
    "same file by case": (MUSIC + '"a.ogg" = "pads"\n"A.ogg" = "pads"', 5, "A.ogg", "the same file as `a.ogg` on a disk that ignores case (assets.toml:4)", "rename"),
    "same file by spelling": (MUSIC + '"\\u00e9.ogg" = "pads"\n"e\\u0301.ogg" = "pads"', 5, "e\u0301.ogg", "the same file as", ""),
    "same file by format": (SLOT + 'also = ["mp3"]\n[music."a.mp3"]\nprompt = "pads"', 6, "a.mp3", "writes `a.mp3`, as `a.ogg` does (assets.toml:3)", "`also`"),
    "file for a folder": (MUSIC + '"a.ogg" = "pads"\n"a.ogg/b.ogg" = "pads"', 5, "a.ogg/b.ogg", "lies in a folder that has the name of a file: `a.ogg` (assets.toml:4)", ""),
}  # fmt: skip

OF_THE_MANIFEST = {
    "unknown table": ("[musik]\n", 3, "unknown table `musik`", "did you mean `music`?"),
    "key outside of a table": ("", 1, "`bpm` stands outside of any table", "write it under `[defaults]`"),
    "unknown default": ("[defaults]\nbmp = 3", 4, "unknown key `bmp`", "did you mean `bpm`?"),
    "range of a default": ("[defaults]\nbpm = 3", 4, "`defaults.bpm` must be a number from 20 to 300, not `3`", ""),
    "default genre": ('[defaults]\ngenre = "synthwav"', 4, "unknown genre `synthwav`", "did you mean `synthwave`?"),
    "default generator": ('[defaults]\ngenerator = "x"', 4, "unknown generator `x`", "known here: `composer`"),
    "default parameter": (
        "[defaults.composer]\nvoices = 0",
        4,
        "`defaults.composer.voices` must be a whole number",
        "",
    ),
    "slot's key among the defaults": ("[defaults]\nsections = []", 4, "unknown key `sections`", ""),
    "generator's key among the defaults": (
        "[defaults]\nswing = 1",
        4,
        "unknown key `swing`",
        "`composer = { swing = … }`",
    ),
    "key of a genre": ('[genre.synthwave]\nkey = "X"', 4, "`genre.synthwave.key` is no key: `X`", "`D minor`"),
    "unknown key of a genre": ("[genre.synthwave]\nbmp = 3", 4, "unknown key `bmp`", "did you mean `bpm`?"),
    "name of a genre": ('[genre."a|b"]\nbpm = 90', 3, "a genre can't be named `'a|b'`", "letters"),
    "name of a genre with a dot": ('[genre."a.b"]\nbpm = 90', 3, "a genre can't be named `'a.b'`", "letters"),
    "unknown key with a dot": ('["a.b"]\n', 3, "unknown table `a.b`", "known here"),
    "nameless genre": ('[genre.""]\nbpm = 90', 3, "a genre can't be named `''`", "letters"),
    "genre that is a text": ('genre = "synthwave"\n', 3, "unknown key `genre`", ""),
    "defaults that are a number": ("", 1, "`defaults` must be a table, not `3`", ""),
}


@pytest.mark.parametrize("case", OF_ONE_SLOT)
def test_a_slot_that_is_wrong(case: str, problems: Problems) -> None:
    text, line, slot, message, hint = OF_ONE_SLOT[case]
    (problem,) = problems(text)
    assert message in problem.message
    assert hint in problem.hint
    assert (problem.place, problem.slot) == (f"assets.toml:{line}", slot)


@pytest.mark.parametrize("case", OF_THE_MANIFEST)
def test_a_manifest_that_is_wrong(case: str, problems: Problems) -> None:
    text, line, message, hint = OF_THE_MANIFEST[case]
    before = {"key outside of a table": "bpm = 90\n", "defaults that are a number": "defaults = 3\n"}.get(case, "")
    (problem,) = problems(text, before + '[game]\nname = "Tydust"\n')
    assert message in problem.message
    assert hint in problem.hint
    assert (problem.place, problem.slot) == (f"assets.toml:{line}", "")


@pytest.mark.parametrize(
    ("game", "line", "message"),
    [
        ("", 0, "`game` has no `name`"),
        ("[game]\n", 1, "`game` has no `name`"),
        ("[game]\nname = 3\n", 2, "`game.name` must be a text"),
        ('[game]\nname = ""\n', 2, "`game.name` is empty"),
        ('[game]\nname = "x"\nassets = "../x"\n', 3, "`game.assets` lies outside the manifest's folder"),
        ('[game]\nname = "x"\nassets = "/tmp"\n', 3, "`game.assets` lies outside the manifest's folder"),
        ('[game]\nname = "x"\nassets = "C:/x"\n', 3, "`game.assets` lies outside the manifest's folder"),
        ('[game]\nname = "x"\nassets = "a\\u0000"\n', 3, "`game.assets` has a control character"),
    ],
)
def test_a_game_that_is_wrong(problems: Problems, game: str, line: int, message: str) -> None:
    (problem,) = problems("", game)
    assert problem.message.startswith(message)
    assert problem.place == (f"assets.toml:{line}" if line else "assets.toml")


@pytest.mark.parametrize(
    ("text", "line", "slot", "message", "hint"),
    [
        ('[music\n"a.ogg" = "pads"', 3, "", "is not TOML", "quotes"),
        ("[music]\na.ogg = pads", 4, "", "is not TOML", "quotes"),
        ('[music]\n"a.ogg" = "pads', 4, "", "is not TOML", "quotes"),
        ('[music]\n"a.ogg" = "p\x00"', 4, "", "has a NUL byte", "remove it"),
        ('[music]\n"a.ogg" = "x"\n"b.ogg" = "x"\n"a.ogg" = "y"\n', 6, "a.ogg", "slot stands twice, first in line 4", "rename one"),
        ('[music."a.ogg"]\nbpm = 90\n[music."a.ogg"]\nbpm = 91\n', 5, "a.ogg", "slot stands twice, first in line 3", "rename one"),
        ("[music]\n'a.ogg' = \"x\"\n[music.\"a.ogg\"]\nbpm = 91\n", 5, "a.ogg", "slot stands twice, first in line 4", ""),
        ('[music."a.ogg"]\nbpm = 90\nseed = 1\nbpm = 91\n', 6, "a.ogg", "`bpm` stands twice, first in line 4", "keep one"),
        ('[defaults]\nbpm = 90\nbpm = 91\n', 5, "", "`defaults.bpm` stands twice, first in line 4", "keep one"),
    ],
)  # fmt: skip
def test_toml_that_is_wrong(problems: Problems, text: str, line: int, slot: str, message: str, hint: str) -> None:
    (problem,) = problems(text)
    assert problem.message.startswith(message)
    assert hint in problem.hint
    assert (problem.place, problem.slot) == (f"assets.toml:{line}", slot)


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, "a = " + "{b=" * 5000, "a" + ".a" * 5000 + " = 1", "[" * 90000])
def test_toml_that_is_too_deep(problems: Problems, text: str) -> None:
    (problem,) = problems(text)
    assert "too deep" in problem.message or "is not TOML" in problem.message


def _refused(path: Path) -> Problem:
    with pytest.raises(ManifestError) as caught:
        read_manifest(path, {"composer": msgspec.defstruct("None_", [])})
    (problem,) = caught.value.problems
    return problem


def test_a_manifest_that_is_missing(tmp_path: Path) -> None:
    problem = _refused(tmp_path / "assets.toml")
    assert problem.message == "there is no such file"
    assert problem.hint == "`assetgen init` writes one"
    assert problem.place == str(tmp_path / "assets.toml")


def test_a_manifest_that_is_a_folder(tmp_path: Path) -> None:
    assert _refused(tmp_path).message == "is a folder, not a file"


@pytest.mark.skipif(sys.platform == "win32", reason="no such devices")
def test_a_manifest_that_is_endless() -> None:
    assert _refused(Path("/dev/zero")).message == "is not a regular file"


def test_a_manifest_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "assets.toml"
    with path.open("wb") as file:
        file.truncate(50 * 2**20)
    assert _refused(path).message == "is larger than 8 MB"
    with path.open("wb") as file:
        file.write(b"#" * MAX_BYTES + b"\n")
    assert _refused(path).message == "is larger than 8 MB"


@pytest.mark.parametrize(
    ("data", "message", "line"),
    [
        (b'[game]\nname = "\xff"\n', "has a byte that is not UTF-8 (0xff)", 2),
        ('[game]\nname = "x"\n'.encode("utf-16"), "is UTF-16, not UTF-8", 0),
    ],
)
def test_a_manifest_in_another_encoding(tmp_path: Path, data: bytes, message: str, line: int) -> None:
    path = tmp_path / "assets.toml"
    path.write_bytes(data)
    problem = _refused(path)
    assert problem.message == message
    assert "save it as UTF-8" in problem.hint
    assert problem.place == (f"assets.toml:{line}" if line else str(path))


def test_a_byte_order_mark_and_windows_line_ends_are_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "assets.toml"
    path.write_bytes('\ufeff[game]\r\nname = "x"\r\n[music]\r\n"a.ogg" = "pads"\r\n'.encode())
    manifest = read_manifest(path, {"composer": msgspec.defstruct("None_", [])})
    assert manifest.slots == ("a.ogg",)
    assert manifest.resolve(["a.ogg"])[0].place == "assets.toml:4"


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
class TestLinks:
    def test_a_folder_that_leads_out(self, problems: Problems, tmp_path: Path) -> None:
        (tmp_path / "assets").mkdir()
        (tmp_path / "outside").mkdir()
        os.symlink(tmp_path / "outside", tmp_path / "assets" / "music")
        (problem,) = problems('[music]\n"music/a.ogg" = "pads"')
        assert problem.message == "slot lies outside the asset tree: the folder `music` is a link that leads out"
        assert (problem.place, problem.slot) == ("assets.toml:4", "music/a.ogg")

    def test_a_file_that_leads_out(self, problems: Problems, tmp_path: Path) -> None:
        (tmp_path / "assets").mkdir()
        os.symlink(tmp_path / "x", tmp_path / "assets" / "a.mp3")
        (problem,) = problems(SLOT + 'also = ["mp3"]')
        assert problem.message == "slot lies outside the asset tree: the file is a link that leads out"

    def test_an_asset_tree_that_leads_out(self, problems: Problems, tmp_path: Path) -> None:
        os.symlink("/", tmp_path / "assets")
        (problem,) = problems('[music]\n"a.ogg" = "pads"')
        assert problem.message == "`game.assets` lies outside the manifest's folder: it is a link that leads out"

    def test_a_link_that_stays_inside_is_no_mistake(self, manifest: Callable, tmp_path: Path) -> None:
        (tmp_path / "assets" / "real").mkdir(parents=True)
        os.symlink("real", tmp_path / "assets" / "music")
        assert len(manifest('[music]\n"music/a.ogg" = "pads"').resolve(["music/a.ogg"])) == 1


def test_a_folder_that_is_a_file(problems: Problems, tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "music").write_text("")
    (problem,) = problems('[music]\n"music/a.ogg" = "pads"')
    assert problem.message == "the folder `music` is a file"


def test_everything_is_reported_at_once(problems: Problems) -> None:
    """Every case above in one manifest: none hides another."""
    alone = [case for name, case in OF_ONE_SLOT.items() if case[0].startswith(SLOT) and "same file" not in name]
    slots = [case[0].replace('"a.ogg"', f'"{at}.ogg"', 1) for at, case in enumerate(alone)]
    found = problems("[defaults]\nbmp = 1\n[musik]\n" + "\n".join(slots))
    assert {problem.slot for problem in found} == {"", *(f"{at}.ogg" for at in range(len(alone)))}
    for at, case in enumerate(alone):
        assert [
            case[3].split(" (assets")[0] in problem.message for problem in found if problem.slot == f"{at}.ogg"
        ] == [True]
    assert [problem.message for problem in found if not problem.slot] == ["unknown key `bmp`", "unknown table `musik`"]
    lines = [int(problem.place.split(":")[1]) for problem in found]
    assert lines == sorted(lines)


def test_a_mistake_that_slots_share_is_reported_once(problems: Problems) -> None:
    slots = "\n".join(f'[music."{at}.ogg"]\nprompt = "pads"' for at in range(3))
    text = '[defaults]\ngenerator = "x"\nbpm = "x"\n[defaults.composer]\nvoices = 99\n[genre.synthwave]\nkey = "X"\n'
    assert [problem.place for problem in problems(text + slots)] == [f"assets.toml:{line}" for line in (4, 5, 7, 9)]


def test_nothing_that_a_manifest_holds_can_steer_a_terminal(problems: Problems) -> None:
    bell = "\\u001b[31m"
    found = problems(f'["{bell}"]\n[music."{bell}.ogg"]\n"{bell}" = 1\nkey = "{bell}"\nbpm = "{bell}"\n')
    assert len(found) == 6
    assert all(str(problem).replace("\n  hint", "").isprintable() for problem in found)


def test_every_mistake_of_one_slot_is_reported(problems: Problems) -> None:
    found = problems(SLOT + 'bmp = 1\nkey = "X"\nseed = -1\nogg = { quality = 99 }\nduration = inf\n')
    assert [problem.place for problem in found] == [f"assets.toml:{line}" for line in (5, 6, 7, 8, 9)]


def test_nothing_is_written(problems: Problems, tmp_path: Path) -> None:
    problems("[musik]")
    assert [path.name for path in tmp_path.iterdir()] == ["assets.toml"]
