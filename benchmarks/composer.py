"""How fast the composer is, warm, on one core: each track of `assets.toml`, generation alone.

    OPENBLAS_NUM_THREADS=1 python benchmarks/composer.py [--rounds 3] [SLOT …]

The goal for `music/phase1_calm.ogg` is 40 times real time.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from pathlib import Path

from timing import table

from tydust_assetgen.flow import Brief
from tydust_assetgen.generate.composer import Composer
from tydust_assetgen.generate.protocol import Shelf
from tydust_assetgen.generate.registry import parameter_types
from tydust_assetgen.manifest import read_manifest

MANIFEST = Path(__file__).resolve().parent.parent / "assets.toml"


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("slots", nargs="*")
    chosen = words.parse_args()
    manifest = read_manifest(MANIFEST, parameter_types())
    rows = {}
    for recipe in manifest.resolve(chosen.slots or manifest.slots):
        seconds, audio_s = generate(recipe.brief, chosen.rounds)
        rows[recipe.slot] = [f"{audio_s:.1f}", f"{seconds:.2f}", f"{audio_s / seconds:.0f}"]
    table("The composer alone (medians)", rows, ["audio, s", "takes, s", "times real time"])
    print(f"\npeak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def generate(brief: Brief, rounds: int) -> tuple[float, float]:
    """Seconds that one performance takes, and seconds of audio that it gives."""
    composer = Composer()
    found = []
    for _ in range(rounds + 1):
        begun = time.perf_counter()
        ((_, take),) = composer.generate([brief], Shelf(Path()), lambda *_: None)
        found.append(time.perf_counter() - begun)
    return statistics.median(found[1:]), take.audio.duration_s


if __name__ == "__main__":
    main()
