"""Every example in docs/integrate.md, as it stands there, in the tool that it is for."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tomli
from conftest import REPOSITORY, Game, environment

PAGE = (REPOSITORY / "docs/integrate.md").read_text()


def example(heading: str, language: str) -> str:
    """The code block under a heading."""
    part = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    found = re.search(rf"```{language}\n(.*?)```", part, re.DOTALL)
    assert found, heading
    return found[1]


@pytest.fixture
def shop(game: Game) -> Game:
    """A game, and `assetgen` and `python` on the path as they run here."""
    (game.root / "bin").mkdir()
    for name, words in (("assetgen", "-m tydust_assetgen "), ("pip", "-c pass ")):
        tool = game.root / "bin" / name
        tool.write_text(f'#!/bin/sh\nexec "{sys.executable}" {words}"$@"\n')
        tool.chmod(0o755)
    game.slots({"music/one.ogg": "first", "music/two.ogg": "second"})
    return game


def run(game: Game, *words: str) -> str:
    """Standard output and error of a command that must end well."""
    path = f"{game.root / 'bin'}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        words, cwd=game.root, env={**environment(), "PATH": path}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def needs(tool: str) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"no {tool} here")


def test_make(shop: Game) -> None:
    needs("make")
    (shop.root / "Makefile").write_text(example("Make", "make"))
    assert "2 generated" in run(shop, "make")
    assert "is up to date" in run(shop, "make")
    shop.slots({"music/one.ogg": "first", "music/two.ogg": "changed"})
    _later(shop.root / "assets.toml", shop.root / "music.stamp")
    assert "1 generated, 1 fresh" in run(shop, "make")


def test_cmake(shop: Game) -> None:
    needs("cmake")
    (shop.root / "CMakeLists.txt").write_text(example("CMake", "cmake"))
    run(shop, "cmake", "-S", ".", "-B", "out")
    assert "2 generated" in run(shop, "cmake", "--build", "out")
    assert (shop.root / "out/assets/music/one.ogg").read_bytes() == shop.path("music/one.ogg").read_bytes()
    assert "fresh" not in run(shop, "cmake", "--build", "out")


def test_scons(shop: Game) -> None:
    needs("scons")
    (shop.root / "SConstruct").write_text(example("SCons", "python"))
    assert "2 generated" in run(shop, "scons")
    assert "is up to date" in run(shop, "scons")
    shop.slots({"music/one.ogg": "first", "music/two.ogg": "changed"})
    assert "1 generated, 1 fresh" in run(shop, "scons")


def test_build_py(shop: Game) -> None:
    text = example("A `build.py`", "python")
    (shop.root / "build.py").write_text(f"if __name__ == '__main__':\n{_indented(text)}")
    said = run(shop, sys.executable, "build.py")
    assert "music/one.ogg made" in said
    assert "Summary(" in said
    (shop.root / "assets.toml").write_text("[game]\n")
    done = subprocess.run(
        [sys.executable, "build.py"], cwd=shop.root, env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: assets.toml:1: ")


def test_the_toml_is_right(shop: Game) -> None:
    keys = tomli.loads(example("A catalogue for the game", "toml"))["game"]
    assert keys == {"name": "Tydust", "catalog": "catalog.json"}


@pytest.mark.parametrize(("heading", "steps"), [("GitHub Actions", 4), ("GitLab CI", 4)])
def test_ci(shop: Game, heading: str, steps: int) -> None:
    """Their shell commands are run in order, by the shell."""
    yaml = pytest.importorskip("yaml")
    paper = yaml.safe_load(example(heading, "yaml"))
    job = paper["jobs"]["music"] if "jobs" in paper else paper["music"]
    commands = job["script"] if "script" in job else [step["run"] for step in job["steps"] if "run" in step]
    assert len(commands) == steps
    for command in commands:
        run(shop, "sh", "-e", "-c", command)
    assert (shop.root / "music.jsonl").read_text().count('"event":"done"') == 2
    assert (shop.root / ".assetgen/store").is_dir()


def _indented(text: str) -> str:
    return "".join(f"    {line}\n" if line else "\n" for line in text.splitlines())


def _later(path: Path, than: Path) -> None:
    later_ns = than.stat().st_mtime_ns + 2_000_000_000
    os.utime(path, ns=(later_ns, later_ns))
