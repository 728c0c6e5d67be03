"""The house: imports go down only, rooms do not visit each other, and heavy libraries stay where they are used."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY, environment

PACKAGE = REPOSITORY / "tydust_assetgen"
FLOORS: tuple[frozenset[str], ...] = (
    frozenset({"errors", "audio", "events", "flow", "version"}),
    frozenset(
        {
            *("manifest", "prompt", "lockfile", "keys", "takes", "disk", "state", "measure", "codec", "resample"),
            *("report", "lint", "depfile", "integrations", "catalogue", "remote", "cores"),
        }
    ),
    frozenset({"planning", "reasons", "generate", "finish", "verify", "scoring", "store", "publish", "plot"}),
    frozenset(
        {
            *("building", "survey", "track", "jobs", "worker", "workers", "ledger", "estimate", "project"),
            *("adopt", "inspection", "api", "orders", "outcome", "keyring", "lineup", "hearing", "contest"),
            *(
                "companions",
                "beside",
                "leftovers",
                "cautions",
                "choosing",
                "watching",
                "reach",
                "sharing",
                "ending",
                "workshop",
                "orphans",
                "looking",
                "hook",
            ),
        }
    ),
    frozenset({"cli", "quick", "__init__", "__main__"}),
)
ROOMS = frozenset({"planning", "generate", "finish", "verify", "scoring", "store", "publish"})


def room_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Rooms that a module imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("tydust_assetgen"):
            rest = node.module.split(".")[1:]
            found |= {rest[0]} if rest else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("tydust_assetgen.")}
    return found


MODULES = sorted(PACKAGE.rglob("*.py"))


def floor_of(room: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if room in rooms)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down_only(path: Path) -> None:
    here = room_of(path)
    for there in imported(path) - {here}:
        assert floor_of(there) <= floor_of(here), f"{here} must not import {there}"
        if here in ROOMS and there in ROOMS:
            raise AssertionError(f"the room {here} visits the room {there}")


def test_torch_stays_in_its_room() -> None:
    for path in MODULES:
        if "musicgen" not in path.parts:
            text = path.read_text()
            assert "import torch" not in text
            assert "import audiocraft" not in text


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("tydust_assetgen.cli", ["msgspec", "tomli", "numpy", "argparse", "re", "json", "hashlib", "pathlib", "rich"]),
        ("tydust_assetgen.planning.survey", ["numpy", "scipy", "soundfile", "rich", "watchdog", "mido", "pydub"]),
        ("tydust_assetgen.building.build", ["numpy", "scipy", "soundfile", "rich", "watchdog", "mido", "pydub"]),
        ("tydust_assetgen.building.worker", ["scipy", "torch"]),
        ("tydust_assetgen.generate.registry", ["numpy", "scipy", "torch"]),
        ("tydust_assetgen", ["numpy", "msgspec", "tomli"]),
    ],
)
def test_nothing_is_loaded_before_it_is_needed(module: str, unwanted: list[str]) -> None:
    code = f"import sys, {module}; print(*[name for name in {unwanted!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", _BOOT + code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


_BOOT = f"import sys; sys.path[:0] = {[str(REPOSITORY), *(path for path in sys.path if 'site-packages' in path)]!r}; "


def test_check_loads_neither_numpy_nor_a_generator(tmp_path: Path) -> None:
    (tmp_path / "assets.toml").write_text('[game]\nname = "T"\n[music]\n"a.ogg" = "calm synthwave in D minor"\n')
    code = (
        "import sys; from tydust_assetgen.cli import main; code = main(['check']); "
        "print(code, *[name for name in ('numpy', 'scipy', 'soundfile', 'rich', 'torch') if name in sys.modules])"
    )
    bare = {**environment(), "PYTHONPATH": str(REPOSITORY)}  # without the tests' plug-in, which loads numpy itself
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=bare, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1"]
