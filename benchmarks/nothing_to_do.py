"""How long "nothing to do" takes: the installed `assetgen build` beside ninja, GNU make, doit and a bare Python.

    python benchmarks/nothing_to_do.py [--rounds 9] [--sizes 10 100 1000 10000]

The floor is a Python start and one stat for each file. The peers get as many targets, each with one source, all
up to date; ninja and make have the advantage of being C programs.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from many import make_project
from timing import command_s, medians, table

BIN = Path(sys.executable).parent


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--rounds", type=int, default=9)
    words.add_argument("--sizes", type=int, nargs="+", default=[10, 100, 1000, 10_000])
    chosen = words.parse_args()
    results: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for size in chosen.sizes:
            for name, seconds in medians(tasks(Path(folder, str(size)), size), chosen.rounds).items():
                results.setdefault(name, []).append(f"{seconds * 1000:.1f}")
    table("Nothing to do, milliseconds (medians)", results, [f"{size} targets" for size in chosen.sizes])


def tasks(root: Path, size: int) -> dict[str, Callable[[], float]]:
    """What is timed, each in a folder of its own with everything up to date."""
    make_project(root / "assetgen", size)
    assetgen = [str(BIN / "assetgen"), "build"]
    command_s(assetgen, root / "assetgen")
    found = {
        "python -c pass": partial(command_s, [sys.executable, "-c", "pass"], root),
        "assetgen build": partial(command_s, assetgen, root / "assetgen"),
    }
    for name, write in {"ninja": ninja, "make": make, "doit": doit}.items():
        program = shutil.which(name, path=f"{BIN}:/usr/bin:/usr/local/bin")
        if program is None:
            print(f"{name} is not here: left out", file=sys.stderr)
            continue
        folder = root / name
        (folder / "in").mkdir(parents=True)
        (folder / "out").mkdir()
        for number in range(size):
            (folder / f"in/{number}").write_text(str(number))
        write(folder, size)
        words = [program] if name != "make" else [program, "-s"]
        command_s(words, folder)
        found[name] = partial(command_s, words, folder)
    return found


def ninja(folder: Path, size: int) -> None:
    rules = "rule cp\n  command = cp $in $out\n"
    (folder / "build.ninja").write_text(rules + "".join(f"build out/{n}: cp in/{n}\n" for n in range(size)))


def make(folder: Path, size: int) -> None:
    targets = " ".join(f"out/{number}" for number in range(size))
    (folder / "Makefile").write_text(f"all: {targets}\nout/%: in/%\n\tcp $< $@\n")


def doit(folder: Path, size: int) -> None:
    (folder / "dodo.py").write_text(
        "import shutil\n"
        "DOIT_CONFIG = {'verbosity': 0}\n"
        f"def task_copy():\n    for n in range({size}):\n"
        "        yield {'name': str(n), 'file_dep': [f'in/{n}'], 'targets': [f'out/{n}'],\n"
        "               'actions': [(shutil.copy, (f'in/{n}', f'out/{n}'))]}\n"
    )


if __name__ == "__main__":
    main()
