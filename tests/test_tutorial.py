"""What the tutorial and the cookbook say works: their manifests, and the game that plays the loop."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY, command, environment

from tydust_assetgen import Project, plan

TUTORIAL = (REPOSITORY / "docs/tutorial.md").read_text("utf-8")
COOKBOOK = (REPOSITORY / "docs/cookbook.md").read_text("utf-8")
SECONDS = 3
QUIT_SOON = f"""
import pygame, runpy
pygame_init = pygame.init
def init():
    pygame_init()
    space = pygame.event.Event(pygame.KEYDOWN, key=pygame.K_SPACE)
    pygame.time.set_timer(space, {SECONDS * 400}, 1)
    pygame.time.set_timer(pygame.QUIT, {SECONDS * 1000}, 1)
pygame.init = init
runpy.run_path("game.py")
"""


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize("example", blocks(COOKBOOK, "toml"))
def test_every_recipe_of_the_cookbook_is_a_manifest(example: str, tmp_path: Path) -> None:
    game = "" if "[game]" in example else '[game]\nname = "x"\n'
    (tmp_path / "assets.toml").write_text(game + example, "utf-8")
    assert len(plan(Project.at(str(tmp_path))).steps) == example.count("[music.")


def test_the_tutorial_walks(tmp_path: Path) -> None:
    pytest.importorskip("pygame")
    (manifest,), (game,) = blocks(TUTORIAL, "toml"), blocks(TUTORIAL, "python")
    (tmp_path / "assets.toml").write_text(manifest, "utf-8")
    (tmp_path / "game.py").write_text(game, "utf-8")
    assert "2 generated, 0 fresh" in _build(tmp_path)
    assert _edit(tmp_path, "soft arpeggios", "a soft bell melody").startswith("1 generated, 1 fresh")
    assert _edit(tmp_path, "a soft bell melody", "soft arpeggios").startswith("1 restored, 1 fresh")
    silent = {"SDL_VIDEODRIVER": "dummy", "SDL_AUDIODRIVER": "dummy"}
    played = subprocess.run(
        [sys.executable, "-c", QUIT_SOON], cwd=tmp_path, env={**os.environ, **silent}, capture_output=True, text=True
    )
    assert (played.returncode, played.stderr) == (0, "")


def _build(root: Path) -> str:
    done = subprocess.run(command("build"), cwd=root, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()[-1]


def _edit(root: Path, old: str, new: str) -> str:
    manifest = root / "assets.toml"
    text = manifest.read_text("utf-8")
    assert old in text
    manifest.write_text(text.replace(old, new), "utf-8")
    return _build(root)
