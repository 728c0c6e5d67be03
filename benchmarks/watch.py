"""How soon a save is a file: `assetgen watch` with a track of the composer, besides other slots that are fresh.

    python benchmarks/watch.py [--rounds 5] [--seconds 60] [--slots 20]

"made" is what the making itself takes, from the order to the published file, in a worker that is loaded; "beside it" is
all the rest from the save on: the goal is at most 0.3 s. An edit of the OGG quality only is to take less than 2 s.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import queue
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from timing import table

ASSETGEN = [str(Path(sys.executable).parent / "assetgen"), "watch", "--json"]
IDLE_S = 10


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--rounds", type=int, default=5)
    words.add_argument("--seconds", type=int, default=60)
    words.add_argument("--slots", type=int, default=20)
    chosen = words.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root, seeds = Path(folder), itertools.count(1)
        write(root, chosen.seconds, chosen.slots, next(seeds), 6)
        watch = Watch(root)
        watch.until("idle")
        watch.saved(lambda: write(root, chosen.seconds, chosen.slots, next(seeds), 6))  # not counted
        changed = [
            watch.saved(lambda: write(root, chosen.seconds, chosen.slots, next(seeds), 6)) for _ in range(chosen.rounds)
        ]
        seed = next(seeds) - 1
        encoded = [
            watch.saved(lambda quality=quality: write(root, chosen.seconds, chosen.slots, seed, quality))
            for quality in [5, 7, 4, 8, 9, 10][: chosen.rounds]
        ]
        idle = watch.idle_share()
        ended_s = watch.end_in_the_middle(lambda: write(root, chosen.seconds, chosen.slots, next(seeds), 6))
    rows = {f"another prompt, {chosen.seconds} s": cells(changed), "another quality": cells(encoded)}
    table("From the save to the new file, seconds (medians)", rows, ["whole", "made", "beside it"])
    print(f"\nidle: {100 * idle:.2f} % of a core; Ctrl-C in the middle of a track: gone after {ended_s:.2f} s")


def cells(found: list[tuple[float, float]]) -> list[str]:
    whole, made = (statistics.median(column) for column in zip(*found, strict=True))
    beside = statistics.median(whole_s - made_s for whole_s, made_s in found)
    return [f"{whole:.2f}", f"{made:.2f}", f"{beside:.2f}"]


def write(root: Path, seconds: int, slots: int, seed: int, quality: int) -> None:
    """One track that is edited, and short ones that stay as they are."""
    others = "".join(f'"other_{n}.ogg" = "calm synthwave in D minor, 90 BPM"\n' for n in range(slots - 1))
    track = f'prompt = "slow synthwave in D minor, 90 BPM"\nduration = {seconds}\nseed = {seed}\n'
    track += f"ogg = {{ quality = {quality} }}\n"
    text = f'[game]\nname = "Bench"\n[defaults]\nduration = 4\n[music]\n{others}[music."track.ogg"]\n{track}'
    (root / "new").write_text(text)
    (root / "new").replace(root / "assets.toml")


class Watch:
    """One `assetgen watch`, and what it tells."""

    def __init__(self, root: Path) -> None:
        self._process = subprocess.Popen(ASSETGEN, cwd=root, stdout=subprocess.PIPE, text=True, start_new_session=True)
        self._told: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._told.put({**json.loads(line), "at": time.perf_counter()})

    def until(self, name: str) -> dict[str, Any]:
        while True:
            event = self._told.get(timeout=600)
            if event["event"] in ("broken", "failed"):
                sys.exit(str(event))
            if event["event"] == name:
                return event

    def saved(self, save: Any) -> tuple[float, float]:
        """Seconds from the save to the published file, and those of them that its making took."""
        begun = time.perf_counter()
        save()
        done = self.until("done")
        self.until("idle")
        time.sleep(0.5)
        return done["at"] - begun, done["seconds"]

    def idle_share(self) -> float:
        before = self._cpu_s()
        time.sleep(IDLE_S)
        return (self._cpu_s() - before) / IDLE_S

    def _cpu_s(self) -> float:
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end_in_the_middle(self, save: Any) -> float:
        save()
        self.until("started")
        time.sleep(0.3)
        begun = time.perf_counter()
        self._process.send_signal(signal.SIGINT)
        if self._process.wait(30) != 0:
            sys.exit(f"it ended with {self._process.returncode}")
        return time.perf_counter() - begun


if __name__ == "__main__":
    main()
