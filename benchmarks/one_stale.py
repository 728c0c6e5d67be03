"""What one stale slot costs among many: `assetgen build` after one edit, with 1 slot and with 10,000.

    python benchmarks/one_stale.py [--rounds 5] [--size 10000]

The difference is the cost of looking at all the others; the goal is at most 150 ms.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
from functools import partial
from pathlib import Path

from many import make_project, write_manifest
from timing import command_s, medians, table

ASSETGEN = [str(Path(sys.executable).parent / "assetgen"), "build"]


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--rounds", type=int, default=5)
    words.add_argument("--size", type=int, default=10_000)
    chosen = words.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tasks = {}
        for size in (1, chosen.size):
            root = Path(folder, str(size))
            make_project(root, size)
            command_s(ASSETGEN, root)
            tasks[f"{size} slots"] = partial(edit_and_build, root, size, itertools.count(5))
        found = medians(tasks, chosen.rounds)
    one, many = found.values()
    rows = {name: [f"{seconds * 1000:.0f}"] for name, seconds in found.items()}
    table("One stale slot, milliseconds (medians)", {**rows, "difference": [f"{(many - one) * 1000:.0f}"]}, ["build"])


def edit_and_build(root: Path, size: int, lengths: itertools.count[int]) -> float:
    """Ask for a length that slot 0 never had, and build."""
    write_manifest(root, size, stale=0, seconds=5 + next(lengths) / 100)
    return command_s(ASSETGEN, root)


if __name__ == "__main__":
    main()
