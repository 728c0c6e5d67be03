"""CONTRIBUTING.md and docs/architecture.md lead to files that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import REPOSITORY

PACKAGE = REPOSITORY / "tydust_assetgen"
CONTRIBUTING = (REPOSITORY / "CONTRIBUTING.md").read_text("utf-8")
ARCHITECTURE = (REPOSITORY / "docs/architecture.md").read_text("utf-8")
PATH = r"`((?:[\w.-]+/)*[\w-]+(?:\.(?:py|md|toml)|/))`"


def _is_there(path: str) -> bool:
    folders = (PACKAGE, REPOSITORY, PACKAGE / "generate/composer/styles", PACKAGE / "generate/musicgen")
    return any((folder / path).exists() for folder in folders)


def test_the_table_leads_from_changes_to_files() -> None:
    rows = CONTRIBUTING.split("## Where does my change go?")[1].split("\n## ")[0].splitlines()
    places = [re.findall(PATH, row.split("|")[2]) for row in rows if row.startswith("| ") and "`" in row]
    assert len(places) >= 20
    assert all(places)
    for path in (path for row in places for path in row):
        assert (PACKAGE / path).exists(), path


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_every_path_is_there(page: str) -> None:
    paths = set(re.findall(PATH, (REPOSITORY / page).read_text("utf-8")))
    assert len(paths) > 10
    assert [path for path in paths if not path.startswith(".") and not _is_there(path)] == []


def _tree() -> set[str]:
    """The entries that architecture.md draws at the top of the package."""
    drawn = ARCHITECTURE.split("    tydust_assetgen/\n")[1].split("\n\n")[0].splitlines()
    names = [line.strip().split("  ")[0] for line in drawn if re.match(r" {6}\w", line)]
    return {name.rstrip("/") for entry in names for name in entry.split()}


def test_the_tree_is_the_tree() -> None:
    there = {path.name.removesuffix(".py") for path in PACKAGE.iterdir() if _is_part(path)}
    assert {name.removesuffix(".py") for name in _tree()} == there
    assert len(there) <= 30


def _is_part(path: Path) -> bool:
    return path.suffix == ".py" or (path.is_dir() and path.name != "__pycache__")


def test_files_that_the_documentation_names_are_there() -> None:
    searched = ("tydust_assetgen", "benchmarks", "tests", "hooks", ".ci")
    there = {path.name for folder in searched for path in (REPOSITORY / folder).rglob("*.py")}
    of_the_reader = {"build.py", "game.py", "music.py"}
    for page in (REPOSITORY / "docs").glob("*.md"):
        named = set(re.findall(r"\b\w+\.py\b", page.read_text("utf-8")))
        assert named <= there | of_the_reader, page.name
