"""The depfile as its readers read it: real Make and real Ninja."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import Game, command, environment

from tydust_assetgen.errors import UsageError
from tydust_assetgen.exports.depfile import depfile

ODD = ("plain.txt", "two words.txt", "$cash$.txt", "#1.txt", "a:b.txt", "it's (1) [2] {3}.txt", "größe.txt", "50%.txt")
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="no make here")
needs_ninja = pytest.mark.skipif(shutil.which("ninja") is None, reason="no ninja here")


def test_paths_inside_are_relative_and_others_absolute(tmp_path: Path) -> None:
    text = depfile([tmp_path / "a b.ogg"], [tmp_path / "x/assets.toml", Path("/else/where.toml")], tmp_path)
    assert text == "a\\ b.ogg: \\\n  x/assets.toml \\\n  /else/where.toml\n"


@pytest.mark.parametrize("name", ["a;b", "a|b", "a\nb", "a*b", "a\\b", "a<b", "ends:"])
def test_what_can_not_be_said_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="can't name"):
        depfile([tmp_path / "out"], [tmp_path / name], tmp_path)


@pytest.mark.parametrize("name", ["50%.ogg", "a=b.ogg"])
def test_a_target_that_make_takes_for_a_rule_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="depfile-target"):
        depfile([tmp_path / name], [tmp_path / "in"], tmp_path)


@needs_make
def test_make_reads_every_name(tmp_path: Path) -> None:
    target = _folder(tmp_path)
    (tmp_path / "Makefile").write_text("out\\ $$x\\ \\#1.txt:\n\tcp '" + "in' '$@'\n-include out.d\n")
    (tmp_path / "made.d").rename(tmp_path / "out.d")
    _each_counts(tmp_path, target, "make")


@needs_ninja
@pytest.mark.parametrize("mode", ["", "  deps = gcc\n"])
def test_ninja_reads_every_name(tmp_path: Path, mode: str) -> None:
    target = _folder(tmp_path)
    rule = f"rule go\n  command = cp made.d out.d && cp in $out\n  depfile = out.d\n{mode}"
    (tmp_path / "build.ninja").write_text(rule + "build out$ $$x$ #1.txt: go in\n")
    _each_counts(tmp_path, target, "ninja")


def _folder(folder: Path) -> Path:
    """A depfile of a target with an odd name that needs all the others."""
    target = folder / "out $x #1.txt"
    for name in (*ODD, "in"):
        (folder / name).write_text("one")
    (folder / "made.d").write_text(depfile([target], [folder / need for need in ODD], folder))
    return target


def _each_counts(folder: Path, target: Path, tool: str) -> None:
    assert _ran(folder, tool) == 1
    assert _ran(folder, tool) == 0
    for need in ODD:
        _touch_later(folder / need, target)
        assert _ran(folder, tool) == 1, need
        before = target.stat().st_mtime_ns - 1_000_000_000
        os.utime(folder / need, ns=(before, before))


def _ran(folder: Path, tool: str) -> int:
    """How many commands a build ran."""
    done = subprocess.run([tool, "-v"] if tool == "ninja" else [tool], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.count("cp ") - done.stdout.count("&& cp ")


def _touch_later(path: Path, than: Path) -> None:
    later_ns = than.stat().st_mtime_ns + 2_000_000_000
    os.utime(path, ns=(later_ns, later_ns))


def test_a_build_writes_it_also_when_nothing_is_to_do(game: Game) -> None:
    game.slots({"music/one.ogg": "first", "music/two.ogg": "second"})
    wanted = "assets/music/one.ogg assets/music/two.ogg: \\\n  assets.toml\n"
    for _ in range(2):
        done = game.run("build", "--depfile", "out/music.d")
        assert done.returncode == 0, done.stderr
        assert (game.root / "out/music.d").read_text() == wanted
        (game.root / "out/music.d").unlink()
    assert game.run("build", "music/two.ogg", "--depfile", "music.d", "--depfile-target", "stamp").returncode == 0
    assert (game.root / "music.d").read_text() == "stamp: \\\n  assets.toml\n"
    assert [path.name for path in game.root.iterdir() if "tmp" in path.name] == []


def test_files_that_the_manifest_names_are_in_it(game: Game, tmp_path: Path) -> None:
    game.slots({"one.ogg": "first"})
    game.build()
    game.path("one.ogg").rename(game.root / "hum it.ogg")
    game.slots({"one.ogg": "first", "two.ogg": "second"}, follow="hum it.ogg")
    above = subprocess.run(
        command("-C", game.root.name, "build", "--depfile", "music.d"),
        cwd=game.root.parent,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert above.returncode == 0, above.stderr
    inside = game.root.name
    text = (game.root.parent / "music.d").read_text()
    assert text == (
        f"{inside}/assets/one.ogg {inside}/assets/two.ogg: \\\n  {inside}/assets.toml \\\n  {inside}/hum\\ it.ogg\n"
    )


def test_what_can_not_be_said_stops_before_the_work(game: Game) -> None:
    game.slots({"a;b.ogg": "first"})
    done = game.run("build", "--depfile", "music.d")
    assert (done.returncode, game.digests()) == (2, {})
    assert "a depfile can't name" in done.stderr
    assert "--depfile-target" in done.stderr


def test_a_place_that_can_not_be_written_is_said(game: Game) -> None:
    game.slots({"a.ogg": "first"})
    done = game.run("build", "--depfile", "assets.toml/music.d")
    assert done.returncode == 1
    assert "can't write" in done.stderr
    assert "Traceback" not in done.stderr
