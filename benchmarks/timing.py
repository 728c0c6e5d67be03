"""Timing whole commands, fairly: all in turn, round after round, and the median of each."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


def command_s(words: Sequence[str], folder: Path) -> float:
    """How long one command takes, from start to end."""
    begun = time.perf_counter()
    done = subprocess.run(words, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    seconds = time.perf_counter() - begun
    if done.returncode:
        sys.exit(f"{words} failed: {done.stderr.decode()[-500:]}")
    return seconds


def medians(tasks: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """The median of each task's seconds, the tasks taking turns so that a noisy moment hits all alike."""
    for task in tasks.values():
        task()  # once for warm caches, not counted
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            seconds[name].append(task())
    return {name: statistics.median(found) for name, found in seconds.items()}


def table(title: str, rows: Mapping[str, Sequence[str]], heads: Sequence[str]) -> None:
    """Print a Markdown table, to be read as it is or pasted into docs/performance.md."""
    print(f"\n{title}\n")
    print("| " + " | ".join(("", *heads)) + " |")
    print("| " + " | ".join(["---"] + ["---:"] * len(heads)) + " |")
    for name, cells in rows.items():
        print("| " + " | ".join((name, *cells)) + " |")
