"""The door for programs: what the README shows, executed, and a build from a plain script."""

from __future__ import annotations

import re
import subprocess
import sys

from conftest import REPOSITORY, Game, environment

import tydust_assetgen
from tydust_assetgen import Project, check, plan


def test_the_readmes_example_runs(game: Game) -> None:
    """As a plain script without `if __name__ == "__main__"`: workers must not run it again."""
    game.slots({"a.wav": "tune"})
    (example,) = re.findall(r"```python\n(.+?)```", (REPOSITORY / "README.md").read_text(), re.DOTALL)
    (game.root / "build.py").write_text(example)
    done = subprocess.run(
        [sys.executable, "build.py"], cwd=game.root, env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "a.wav made ('`a.wav` was never built',)"
    assert done.stdout.count("Summary(") == 1
    assert game.digests() == game.locked()


def test_check_and_plan_look_and_write_nothing(game: Game) -> None:
    game.slots({"a.wav": "tune", "b.wav": "song"})
    assert [step.slot for step in check(game.project)] == ["a.wav", "b.wav"]
    assert not (game.root / ".assetgen").exists()
    game.build()
    assert check(game.project) == ()
    game.path("b.wav").unlink()
    assert [step.action for step in check(game.project)] == ["restore"]
    assert [step.action for step in plan(game.project).steps] == ["fresh", "restore"]
    assert [step.slot for step in plan(Project.at(game.root), ["a.wav"]).steps] == ["a.wav"]


def test_every_name_it_promises_is_there() -> None:
    for name in tydust_assetgen.__all__:
        assert getattr(tydust_assetgen, name) is not None
    assert re.fullmatch(r"\d+\.\d+\.\d+", tydust_assetgen.__version__)
