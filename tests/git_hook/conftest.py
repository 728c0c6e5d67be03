"""A real repository with a real game in it, built once and copied for each test, and real commits."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import Game, environment

from tydust_assetgen.building.pool import Pool

HINT = re.compile(r"  hint: `(.*)`\n")


def clean() -> dict[str, str]:
    """The environment without what a hook around these tests, or a person's git, would bring in."""
    kept = {name: value for name, value in environment().items() if not name.startswith("GIT_")}
    names = {
        f"GIT_{role}_{what}": "tester@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    return {**kept, **names, "GIT_CONFIG_NOSYSTEM": "1", "GIT_EDITOR": "true"}


@dataclass
class Repo:
    """A repository; `game` lies at its root, or below it."""

    root: Path
    game: Game
    bin: Path
    """Has an `assetgen`, as an installation would put it on the PATH."""

    def run(self, *words: str, cwd: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
        env = {**clean(), "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}", **more}
        return subprocess.run(words, cwd=cwd or self.root, env=env, capture_output=True, text=True, check=False)

    def git(self, *words: str, cwd: Path | None = None) -> str:
        done = self.run("git", *words, cwd=cwd)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def assetgen(self, *words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return self.run(str(self.bin / "assetgen"), *words, cwd=cwd)

    def head(self) -> str:
        """The last commit; empty where there is none."""
        return self.run("git", "rev-parse", "--quiet", "--verify", "HEAD").stdout.strip()

    def commit(self, *words: str, cwd: Path | None = None) -> str:
        """A commit that must come to be; what was said on the way."""
        before = self.head()
        done = self.run("git", "commit", "--quiet", "-m", "music", *words, cwd=cwd)
        assert done.returncode == 0, done.stderr
        assert self.head() != before
        return done.stderr

    def refused(self, *words: str, cwd: Path | None = None) -> str:
        """A commit that must not come to be; why."""
        before = self.head()
        done = self.run("git", "commit", "--quiet", "-m", "music", *words, cwd=cwd)
        assert done.returncode == 1, done.stderr
        assert self.head() == before
        return done.stderr

    def mend(self, said: str, cwd: Path | None = None) -> None:
        """Type the commands that the hints name."""
        commands = HINT.findall(said)
        assert commands, said
        for command in commands:
            done = self.run("sh", "-c", command, cwd=cwd)
            assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory, pool: Pool) -> Path:
    """A built game, and an `assetgen` to call."""
    folder = tmp_path_factory.mktemp("shelf")
    (folder / "bin").mkdir()
    program = folder / "bin/assetgen"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tydust_assetgen "$@"\n')
    program.chmod(0o755)
    game = Game(folder / "game", pool)
    game.root.mkdir()
    game.slots({"music/a.wav": "first", "music/b.ogg": "second"}, more='also = ["flac"]')
    assert game.counts()["generated"] == 2
    (game.root / ".gitignore").write_text(".assetgen/\n")
    return folder


@pytest.fixture
def make_repo(shelf: Path, tmp_path: Path, pool: Pool) -> Callable[..., Repo]:
    def make(*, below: str = ".", hook: bool = True) -> Repo:
        root = tmp_path / "repo"
        root.mkdir()
        repo = Repo(root, Game(root / below, pool), shelf / "bin")
        shutil.copytree(shelf / "game", root / below, dirs_exist_ok=True)
        repo.git("init", "--quiet", "-b", "main")
        if hook:
            assert repo.assetgen("hook", "install").returncode == 0
        return repo

    return make


@pytest.fixture
def repo(make_repo: Callable[..., Repo]) -> Repo:
    """A repository with the hook, and the whole game committed."""
    made = make_repo()
    made.git("add", "--all")
    made.commit()
    return made
