"""Words that only insiders understand stay out of documentation, messages and docstrings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import REPOSITORY

ODD = r"in walks?|out (it )?walks?|walks? (in|out)|mended|is said|papers|dice|rooms"
FORBIDDEN = re.compile(rf"\b({ODD})\b", re.IGNORECASE)
ENDS = ("py", "toml", "sh", "cs", "cmake")
CODE = [path for end in ENDS for path in (REPOSITORY / "tydust_assetgen").rglob(f"*.{end}")]
PAGES = [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").glob("*.md"), *(REPOSITORY / ".github").rglob("*.md")]


def _found(path: Path) -> list[str]:
    lines = path.read_text("utf-8").splitlines()
    return [f"{path.name}:{number}: {line.strip()}" for number, line in enumerate(lines, 1) if FORBIDDEN.search(line)]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_no_odd_words(path: Path) -> None:
    assert _found(path) == []


def test_none_in_code_messages_and_docstrings() -> None:
    assert len(CODE) > 200
    assert [line for path in CODE for line in _found(path)] == []


def test_the_test_finds_them() -> None:
    assert FORBIDDEN.search("In walks a `Brief`, out walks a `Take`.")
    assert FORBIDDEN.search("a brief walks in")
    assert FORBIDDEN.search("how a refusal is mended")
    assert not FORBIDDEN.search("a bass that walks down; the room is large")
