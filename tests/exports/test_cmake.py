"""The CMake module in real builds, with Ninja and with Make."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import REPOSITORY, Game, environment

pytestmark = pytest.mark.skipif(shutil.which("cmake") is None, reason="no cmake here")
GENERATORS = [
    pytest.param(name, marks=pytest.mark.skipif(shutil.which(tool) is None, reason=f"no {tool} here"))
    for name, tool in (("Ninja", "ninja"), ("Unix Makefiles", "make"))
]
GENERATED = re.compile(r"\d+ generated")
"""What assetgen says; CMake itself speaks of `compiler generated dependencies`."""
LISTS = """
cmake_minimum_required(VERSION 3.21)
project(game LANGUAGES NONE)
execute_process(COMMAND assetgen cmake-dir OUTPUT_VARIABLE dir OUTPUT_STRIP_TRAILING_WHITESPACE)
list(APPEND CMAKE_MODULE_PATH "${dir}")
find_package(Assetgen REQUIRED)
assetgen_add_music(music MANIFEST assets.toml OUTPUT_DIR "the music" OPTIONS --jobs 1)
get_target_property(files music ASSETGEN_FILES)
list(LENGTH files count)
message(STATUS "files: ${count}")
"""


class Built:
    """A game whose music is built by CMake, in a folder with a space."""

    def __init__(self, game: Game, generator: str) -> None:
        self.game, self.folder = game, game.root / "the build"
        (game.root / "CMakeLists.txt").write_text(LISTS)
        bin_ = game.root / "bin"
        bin_.mkdir()
        (bin_ / "assetgen").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tydust_assetgen "$@"\n')
        (bin_ / "assetgen").chmod(0o755)
        self.environment = {**environment(), "PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}"}
        self.configured = self.cmake("-S", str(game.root), "-B", str(self.folder), "-G", generator)

    def cmake(self, *words: str, ok: bool = True) -> str:
        done = subprocess.run(["cmake", *words], env=self.environment, capture_output=True, text=True)
        assert (done.returncode == 0) == ok, done.stdout + done.stderr
        return done.stdout + done.stderr

    def build(self, *, ok: bool = True) -> str:
        return self.cmake("--build", str(self.folder), ok=ok)

    def copies(self) -> dict[str, int]:
        folder = self.folder / "the music"
        return {p.relative_to(folder).as_posix(): p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("generator", GENERATORS)
def test_a_second_build_does_nothing_and_an_edit_rebuilds_one(game: Game, generator: str) -> None:
    game.slots({"music/one.ogg": "first", "music/two words.ogg": "second"})
    built = Built(game, generator)
    assert "files: 2" in built.configured
    assert "2 generated" in built.build()
    first = built.copies()
    assert sorted(first) == ["music/one.ogg", "music/two words.ogg"]

    again = built.build()
    assert not GENERATED.search(again)
    assert "nothing to do" not in again, "assetgen was started for nothing"
    assert built.copies() == first

    game.slots({"music/one.ogg": "first", "music/two words.ogg": "changed"})
    assert "1 generated, 1 fresh" in built.build()
    second = built.copies()
    assert [name for name in first if first[name] != second[name]] == ["music/two words.ogg"]
    assert not GENERATED.search(built.build())

    game.slots({"music/one.ogg": "first", "music/two words.ogg": "changed", "music/three.ogg": "third"})
    more = built.build()
    assert "files: 3" in more, "a new slot configures anew"
    assert "1 generated, 2 fresh" in more
    assert sorted(built.copies()) == ["music/one.ogg", "music/three.ogg", "music/two words.ogg"]


@pytest.mark.parametrize("generator", GENERATORS[:1])
def test_mistakes_are_said_where_they_are_made(game: Game, generator: str) -> None:
    game.slots({"music/one.ogg": "first"})
    built = Built(game, generator)
    built.build()
    game.path("music/one.ogg").unlink()
    assert "1 restored" in built.build(), "Ninja sees that a file is gone"
    game.write('[music]\n"one.ogg" = 5\n')
    said = built.build(ok=False)
    assert "assets.toml:" in said
    assert "one.ogg" in said
    game.slots({"music/one.ogg": "refused"}, trouble="refuse")
    assert "this can't be played" in built.build(ok=False)


def test_cmake_dir_is_where_the_module_lies(game: Game) -> None:
    done = game.run("cmake-dir")
    assert (done.returncode, done.stderr) == (0, "")
    assert (Path(done.stdout.strip()) / "FindAssetgen.cmake").is_file()


def test_the_wheel_brings_it(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    source = tmp_path / "source"
    shutil.copytree(REPOSITORY / "tydust_assetgen/exports", source / "tydust_assetgen/exports")
    for name in ("pyproject.toml", "README.md", "LICENSE", "tydust_assetgen/__init__.py", "tydust_assetgen/version.py"):
        shutil.copy(REPOSITORY / name, source / name)
    words = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(words, cwd=source, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "tydust_assetgen/exports/cmake/FindAssetgen.cmake" in names
    assert "tydust_assetgen/exports/editor/AssetgenMusicImporter.cs" in names
