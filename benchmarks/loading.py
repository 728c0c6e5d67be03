"""Loading a MusicGen checkpoint: ours beside audiocraft's own `get_pretrained`, each in a process of its own.

    python tests/musicgen/checkpoints.py /tmp/medium --kind t5 --scale medium
    HF_HOME=/tmp/medium/hf HF_HUB_OFFLINE=1 python benchmarks/loading.py /tmp/medium

Seconds without and with the imports, and the peak of memory that is the process's own (what it maps of the file and
the system can take back is counted apart).
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

WAYS = ("ours", "audiocraft")


class Peak(threading.Thread):
    """Looks at the process's memory every 20 ms (Linux)."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.own = self.mapped = 0.0

    def run(self) -> None:
        while True:
            found = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
            own, mapped = (int(found[name].split()[0]) / 2**20 for name in ("RssAnon", "RssFile"))
            self.own, self.mapped = max(self.own, own), max(self.mapped, mapped)
            time.sleep(0.02)


def child(way: str, folder: str) -> None:
    begun = time.perf_counter()
    from tydust_assetgen.generate.musicgen.imports import prepare

    prepare()
    from audiocraft.models.musicgen import MusicGen

    from tydust_assetgen.generate.musicgen.loading import load
    from tydust_assetgen.generate.musicgen.models import find

    imported = time.perf_counter()
    peak = Peak()
    peak.start()
    if way == "ours":
        load(find(folder, "", Path.cwd()), device="cpu", precision="auto")
    else:
        MusicGen.get_pretrained(folder, device="cpu")
    ended = time.perf_counter()
    time.sleep(0.05)
    print(json.dumps([imported - begun, ended - imported, peak.own, peak.mapped]))


def main(folder: str) -> None:
    print(f"{'':<12} {'imports':>8} {'loading':>8} {'own memory':>11} {'mapped':>8}")
    for way in WAYS:
        words = [sys.executable, __file__, "--child", way, str(Path(folder).resolve())]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        imports, loading, own, mapped = json.loads(done.stdout.splitlines()[-1])
        print(f"{way:<12} {imports:>6.1f} s {loading:>6.1f} s {own:>7.1f} GiB {mapped:>4.1f} GiB")


if __name__ == "__main__":
    if sys.argv[1] == "--child":
        child(sys.argv[2], sys.argv[3])
    else:
        main(sys.argv[1])
