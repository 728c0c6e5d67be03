"""How long the hook holds up a commit: what `hooks/pre-commit` runs, beside a bare Python and a bare git.

    python benchmarks/hook.py [--rounds 15] [--sizes 10 100 1000]

Each size is a repository with so many slots, all committed. Judged is a commit that has nothing to do with music, and
one that changes a slot: as usual, where nothing is remembered (after a clone), and once more (after its message was
mended). CPU is user and system time of the process and all that it starts, the best of all rounds: what else the
machine does hardly counts in it.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from many import make_project
from timing import table

ASSETGEN = [sys.executable, "-m", "tydust_assetgen"]
CHECK = [*ASSETGEN, "check", "--staged"]
BESIDE = 'catalog = "catalog.json"\ncatalog_code = ["c"]\nengine = "godot"'


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--rounds", type=int, default=15)
    words.add_argument("--sizes", type=int, nargs="+", default=[10, 100, 1000])
    chosen = words.parse_args()
    walls: dict[str, list[str]] = {}
    cpus: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for size in chosen.sizes:
            for name, (wall_s, cpu_s) in measure(Path(folder, str(size)), size, chosen.rounds).items():
                walls.setdefault(name, []).append(f"{wall_s * 1000:.0f}")
                cpus.setdefault(name, []).append(f"{cpu_s * 1000:.0f}")
    heads = [f"{size} slots" for size in chosen.sizes]
    table("The hook, milliseconds (medians)", walls, heads)
    table("The hook, milliseconds of CPU (the best of all rounds)", cpus, heads)


def measure(root: Path, size: int, rounds: int) -> dict[str, tuple[float, float]]:
    """Wall time (median) and CPU time (best) of each kind of commit."""
    make_project(root, size)
    git(root, "init", "--quiet")
    for name in ("name", "email"):
        git(root, "config", f"user.{name}", "benchmark")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "all music")
    found = {
        "python -c pass": timed(root, [sys.executable, "-c", "pass"], rounds),
        "git ls-files": timed(root, ["git", "ls-files", "-s"], rounds),
    }
    subprocess.run([*CHECK, "--all"], cwd=root, check=True)
    memory = root / ".git/assetgen/staged"
    remembered = memory.read_bytes()
    (root / "notes.txt").write_text("nothing to do with music")
    git(root, "add", "notes.txt")
    found["nothing of assetgen"] = timed(root, CHECK, rounds)
    make_project(root, size, other=size // 2)
    git(root, "add", "--all")
    found["one slot"] = timed(root, CHECK, rounds, before=lambda: memory.write_bytes(remembered))
    found["one slot, nothing remembered"] = timed(root, CHECK, rounds, before=lambda: memory.unlink(missing_ok=True))
    found["the same once more"] = timed(root, CHECK, rounds)
    return {**found, "one slot, catalogue and sidecars": beside(root, size, rounds)}


def beside(root: Path, size: int, rounds: int) -> tuple[float, float]:
    """A slot changes in a game that has a catalogue, its code and an engine's sidecars."""
    memory = root / ".git/assetgen/staged"
    built(root, size, size // 2)
    git(root, "commit", "--quiet", "--message", "and what stands beside it")
    subprocess.run([*CHECK, "--all"], cwd=root, check=True)
    remembered = memory.read_bytes()
    built(root, size, size // 3)
    return timed(root, CHECK, rounds, before=lambda: memory.write_bytes(remembered))


def built(root: Path, size: int, other: int) -> None:
    make_project(root, size, other, BESIDE)
    subprocess.run([*ASSETGEN, "build", "--quiet"], cwd=root, check=True)
    git(root, "add", "--all")


def timed(
    root: Path, command: list[str], rounds: int, before: Callable[[], object] = lambda: None
) -> tuple[float, float]:
    walls, cpus = [], []
    for _ in range(rounds):
        before()
        begun, spent_s = time.perf_counter(), _children_s()
        subprocess.run(command, cwd=root, check=True, stdout=subprocess.DEVNULL)
        walls.append(time.perf_counter() - begun)
        cpus.append(_children_s() - spent_s)
    return statistics.median(walls), min(cpus)


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def git(root: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=root, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
