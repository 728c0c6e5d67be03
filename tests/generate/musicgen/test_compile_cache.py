"""What numba compiled and kept never harms a later run: not after a kill, not when it is cut, damaged or mixed up.

    ASSETGEN_KILLS=50 pytest tests/generate/musicgen/test_compile_cache.py -k killed_anywhere

kills processes that compile the decoder's own functions so many times, each at another moment.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import REPOSITORY

numba = pytest.importorskip("numba")

from tydust_assetgen.generate.musicgen.decoder.cpu.compile_cache import CheckedFiles  # noqa: E402

KILLS = int(os.environ.get("ASSETGEN_KILLS", "2"))
LIBRARY = """
from numba import njit

@njit(cache=True)
def total(values):
    found = 0.0
    for value in values:
        found += value
    return found
"""
RUN = """
import os, signal, sys
import numpy as np
from tydust_assetgen.generate.musicgen.decoder.cpu.compile_cache import use_checked_files

kind, kill_at = sys.argv[1], int(sys.argv[2])
assert use_checked_files()
import library

replace, seen = os.replace, 0
def counted(*paths, **more):
    global seen
    seen += 1
    if seen == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(*paths, **more)
os.replace = counted
print(library.total({"numbers": np.ones(3), "pair": (1.0, 2.0)}[kind]))
"""
OURS = """
import hashlib, torch
from tydust_assetgen.generate.musicgen.decoder.cpu.int8_matmul import Int8Linear
from tydust_assetgen.generate.musicgen.decoder.cpu.int8_transformer import _gelu
lines = torch.linspace(-3, 3, 4 * 64).reshape(4, 64)
made = Int8Linear(lines.repeat(8, 1).flip(0))(lines)
_gelu(made.numpy())
print("made", hashlib.sha256(made.numpy().tobytes()).hexdigest())
"""


def run(code: str, *words: str, folder: Path) -> subprocess.Popen[str]:
    path = os.pathsep.join([str(REPOSITORY), str(folder)])
    env = {**os.environ, "PYTHONPATH": path, "NUMBA_CACHE_DIR": str(folder / "cache")}
    return subprocess.Popen(
        [sys.executable, "-c", code, *words], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    out, errors = process.communicate(timeout=280)
    return process.returncode, out.strip() or errors.strip()[-300:]


@pytest.mark.parametrize("kill_at", [1, 2])
def test_a_kill_between_two_writes_leaves_nothing_that_a_later_run_trips_over(tmp_path: Path, kill_at: int) -> None:
    """After an update of a library, whose old files are still there. numba's own way fails then, in all later runs."""
    (tmp_path / "library.py").write_text(LIBRARY)
    assert ended(run(RUN, "numbers", "0", folder=tmp_path)) == (0, "3.0")
    (tmp_path / "library.py").write_text(LIBRARY + "# updated\n")
    code, _ = ended(run(RUN, "pair", str(kill_at), folder=tmp_path))
    assert code == (-signal.SIGKILL if kill_at == 1 else 0), "there is one write, not two"
    for _ in range(2):
        assert ended(run(RUN, "pair", "0", folder=tmp_path)) == (0, "3.0")


@pytest.mark.slow
@pytest.mark.timeout(120 + 120 * KILLS)
def test_a_process_that_is_killed_anywhere_while_it_compiles_harms_no_later_one(tmp_path: Path) -> None:
    """One cache for all: what earlier ones left stays. Every third time it is emptied, so that much is left to do."""
    pytest.importorskip("torch")
    begun = time.monotonic()
    code, right = ended(run(OURS, folder=tmp_path))
    whole_s = time.monotonic() - begun
    assert code == 0, right
    for number in range(KILLS):
        if number % 3 == 0:
            for path in (tmp_path / "cache").rglob("*.checked"):
                path.unlink()
        process = run(OURS, folder=tmp_path)
        time.sleep(random.uniform(0.1, 1.0) * whole_s)
        process.kill()
        process.communicate()
        assert ended(run(OURS, folder=tmp_path)) == (0, right)


KEY = ((int, "float32"), ("cpu", "+avx2"), ("0" * 64, ""))


@pytest.fixture
def files(tmp_path: Path) -> CheckedFiles:
    made = CheckedFiles(str(tmp_path), "module.function-7.py311", ("stamp", 3))
    made.save(KEY, ["code", b"\x00" * 1000])
    return made


def test_what_was_kept_comes_back_until_it_is_forgotten(files: CheckedFiles, tmp_path: Path) -> None:
    other = CheckedFiles(str(tmp_path), "module.function-7.py311", ("stamp", 3))
    assert other.load(KEY) == ["code", b"\x00" * 1000]
    assert CheckedFiles(str(tmp_path), "module.function-7.py311", ("another", 3)).load(KEY) is None
    assert other.load((str, *KEY[1:])) is None
    files.flush()
    assert other.load(KEY) is None
    assert list(tmp_path.iterdir()) == []


def test_what_is_cut_or_damaged_is_not_used(files: CheckedFiles, tmp_path: Path) -> None:
    (path,) = tmp_path.iterdir()
    data = path.read_bytes()
    for end in [*range(64), *range(64, len(data), 97), len(data) - 1]:
        path.write_bytes(data[:end])
        assert files.load(KEY) is None
    for place in range(0, len(data), 31):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        assert files.load(KEY) is None
    files.save(KEY, "new")
    assert files.load(KEY) == "new"


def test_what_belongs_to_another_function_is_not_used(files: CheckedFiles, tmp_path: Path) -> None:
    (first,) = tmp_path.iterdir()
    second = (float, *KEY[1:])
    files.save(second, "other code")
    (other,) = set(tmp_path.iterdir()) - {first}
    other.write_bytes(first.read_bytes())
    assert files.load(second) is None


def test_a_folder_that_can_not_be_written_costs_a_cache_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    files = CheckedFiles(str(tmp_path / "file"), "module.function-7.py311", "stamp")
    files.save(KEY, "code")
    assert files.load(KEY) is None
