"""How long the whole soundtrack of `assets.toml` takes from nothing, and how much memory.

    python benchmarks/soundtrack.py [--jobs N]

The goals on 2 cores: 60 s, and 1 GB for all processes together.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

MANIFEST = Path(__file__).resolve().parent.parent / "assets.toml"


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--jobs", type=int, default=2)
    chosen = words.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(MANIFEST, folder)
        assetgen = str(Path(sys.executable).parent / "assetgen")
        begun = time.perf_counter()
        command = [assetgen, "build", "--json", "--jobs", str(chosen.jobs)]
        build = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE)
        peak = [0]
        watcher = threading.Thread(target=watch, args=(build, peak))
        watcher.start()
        assert build.stdout is not None
        lines = build.stdout.read().splitlines()
        build.wait()
        seconds = time.perf_counter() - begun
        watcher.join()
        size_mb = (
            sum(path.stat().st_size for path in Path(folder, ".assetgen/store").rglob("*") if path.is_file()) / 1e6
        )
    summary = json.loads(lines[-1])
    print(f"{summary['generated']} tracks made, {summary['failed']} failed, in {seconds:.1f} s with {chosen.jobs} jobs")
    print(
        f"peak memory of all processes together (proportional share): {peak[0] / 1024:.0f} MB; store {size_mb:.0f} MB"
    )


def watch(build: subprocess.Popen[bytes], peak: list[int]) -> None:
    """Keep the highest sum of proportional set sizes, in KiB, of the build and its workers."""
    while build.poll() is None:
        peak[0] = max(peak[0], sum(map(pss_kib, family(build.pid))))
        time.sleep(0.1)


def family(pid: int) -> list[int]:
    children = []
    for task in Path("/proc", str(pid), "task").glob("*/children"):
        children += [int(word) for word in task.read_text().split()]
    return [pid, *(member for child in children for member in family(child))]


def pss_kib(pid: int) -> int:
    try:
        lines = Path("/proc", str(pid), "smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    except (OSError, StopIteration):
        return 0


if __name__ == "__main__":
    main()
