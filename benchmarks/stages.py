"""Where the time of one track goes, warm, on one core: generate, finish, encode and verify in each format.

OPENBLAS_NUM_THREADS=1 python benchmarks/stages.py [--rounds 3] [SLOT]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

from timing import medians, table

from tydust_assetgen import codec
from tydust_assetgen.finish import finish
from tydust_assetgen.flow import Encoded, Output
from tydust_assetgen.generate.composer import Composer
from tydust_assetgen.generate.protocol import Shelf
from tydust_assetgen.generate.registry import parameter_types
from tydust_assetgen.manifest import read_manifest
from tydust_assetgen.verify import verify

MANIFEST = Path(__file__).resolve().parent.parent / "assets.toml"


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("slot", nargs="?", default="music/phase1_calm.ogg")
    chosen = words.parse_args()
    (recipe,) = read_manifest(MANIFEST, parameter_types()).resolve([chosen.slot])
    ((_, take),) = Composer().generate([recipe.brief], Shelf(Path()), lambda *_: None)
    master = finish(take, recipe.finish)
    tasks: dict[str, Callable[[], object]] = {
        "generate": lambda: list(Composer().generate([recipe.brief], Shelf(Path()), lambda *_: None)),
        "finish": lambda: finish(take, recipe.finish),
    }
    for kind in ("ogg", "mp3", "flac", "wav", "opus"):
        output = Output(path=f"a.{kind}", codec=kind)
        encoded = Encoded(output, codec.encode(master, output, codec.Tags()))
        tasks[f"encode {kind}"] = lambda output=output: codec.encode(master, output, codec.Tags())
        if kind in ("ogg", "mp3"):
            tasks[f"verify {kind}"] = lambda encoded=encoded: verify(encoded, recipe, master.facts)
    audio_s = master.audio.duration_s
    found = medians({name: timed(task) for name, task in tasks.items()}, chosen.rounds)
    rows = {name: [f"{seconds:.2f}", f"{audio_s / seconds:.0f}"] for name, seconds in found.items()}
    table(f"{chosen.slot}, {audio_s:.1f} s of stereo (medians)", rows, ["seconds", "times real time"])


def timed(task: Callable[[], object]) -> Callable[[], float]:
    def run() -> float:
        begun = time.perf_counter()
        task()
        return time.perf_counter() - begun

    return run


if __name__ == "__main__":
    main()
