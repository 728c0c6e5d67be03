"""Heavy libraries are loaded where they are used, and not before.

Which package may import which stands in `pyproject.toml`, as contracts of import-linter (`lint-imports`).
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY, environment


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("tydust_assetgen.cli", ["msgspec", "tomli", "numpy", "argparse", "re", "json", "hashlib", "pathlib", "rich"]),
        ("tydust_assetgen.planning.snapshot", ["numpy", "scipy", "soundfile", "rich", "watchdog", "mido", "pydub"]),
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
