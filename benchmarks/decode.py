"""How fast tokens are drawn: audiocraft, transformers and this project's decoder in one run, beside the memory's limit.

    python benchmarks/decode.py --model small --batch 1 --steps 60 [--precision fp32,int8] [--device cpu|cuda] [--json]
    python benchmarks/decode.py --gpu          all that is to be known of a GPU, in under 10 minutes

Weights are random, in the real format and of the true size. Each engine runs in a process of its own; `--rounds` of
them take turns, and the medians count. What a step must read at least (weights, and the keys and values of half the
length) and how fast this machine reads memory give the share of the limit. Needs the `musicgen` extra.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from engines import BYTES
from timing import table

HERE = Path(__file__).resolve().parent
SHAPES = {
    "small": {"dim": 1024, "num_heads": 16, "num_layers": 24},
    "medium": {"dim": 1536, "num_heads": 24, "num_layers": 48},
    "large": {"dim": 2048, "num_heads": 32, "num_layers": 48},
}
FRAMES_PER_S = 50
READ = """
import sys, time, torch
device = sys.argv[1]
wide = torch.ones((1 << (18 if device == "cpu" else 20), 1 << 10), device=device)
lines = torch.ones((2, wide.shape[1]), device=device)
times = []
for _ in range(8):
    for read in (lambda: torch.nn.functional.linear(lines, wide), wide.sum):
        begun = time.perf_counter()
        read()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - begun)
print(wide.numel() * 4 / min(times[2:]))
"""
"""A product of two lines with a tall matrix, and a sum: both read it once, as a step does with its weights."""
GPU = [
    {"model": "medium", "batch": 1, "steps": 1500, "engines": "audiocraft,transformers,assetgen"},
    {"model": "medium", "batch": 16, "steps": 1500, "engines": "audiocraft,assetgen"},
    {"model": "large", "batch": 1, "steps": 600, "engines": "audiocraft,assetgen"},
]


class Case(NamedTuple):
    """One engine, asked to play."""

    engine: str
    precision: str

    @property
    def name(self) -> str:
        return f"{self.engine} {self.precision}"


def main() -> None:
    asked = _words()
    found: list[dict[str, Any]] = []
    for each in GPU if asked.gpu else [{}]:
        changed = argparse.Namespace(**{**vars(asked), **each, **({"device": "cuda"} if asked.gpu else {})})
        lines = _run(changed)
        found += lines
        if asked.json:
            for line in lines:
                print(json.dumps(line), flush=True)
        else:
            _show(lines, changed)


def _words() -> argparse.Namespace:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--model", default="small", choices=[*SHAPES, *(f"stereo-{name}" for name in SHAPES)])
    words.add_argument("--batch", type=int, default=1, help="tracks at once")
    words.add_argument("--steps", type=int, default=60)
    words.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    words.add_argument("--precision", default="", help="ours, with commas; fp32 on a CPU, fp16 on a GPU if not given")
    words.add_argument("--engines", default="audiocraft,transformers,assetgen")
    words.add_argument("--rounds", type=int, default=1)
    words.add_argument("--gpu", action="store_true", help="the whole list for a GPU")
    words.add_argument("--json", action="store_true")
    return words.parse_args()


def _run(asked: argparse.Namespace) -> list[dict[str, Any]]:
    """A line for each engine."""
    usual = "fp16" if asked.device == "cuda" else "fp32"
    cases = [
        Case(engine, precision)
        for engine in asked.engines.split(",")
        for precision in (asked.precision or usual).split(",")
        if engine == "assetgen" or precision == (asked.precision or usual).split(",")[0]
    ]
    with tempfile.TemporaryDirectory() as work:
        folder = _checkpoint(Path(work), asked.model)
        rounds = [{case: _played(case, folder, asked) for case in _shown(cases)} for _ in range(asked.rounds)]
    limit = float(_child([sys.executable, "-c", READ, asked.device], None))
    return list(_lines(rounds, limit, asked))


def _shown(cases: list[Case]) -> Iterator[Case]:
    """What is at work, for whoever waits."""
    for case in cases:
        print(f"{case.name} …", file=sys.stderr, flush=True)
        yield case


def _checkpoint(folder: Path, model: str) -> Path:
    scale, kind = model.removeprefix("stereo-"), "stereo" if model.startswith("stereo-") else "t5"
    maker = str(HERE.parent / "tests" / "generate" / "musicgen" / "checkpoints.py")
    _child([sys.executable, maker, str(folder / "weights"), "--kind", kind, "--scale", scale], None)
    shape = {**SHAPES[scale], "codebooks": 8 if kind == "stereo" else 4}
    (folder / "weights" / "shape.json").write_text(json.dumps(shape))
    return folder / "weights"


def _played(case: Case, folder: Path, asked: argparse.Namespace) -> dict[str, Any]:
    words = [sys.executable, str(HERE / "engines.py"), case.engine, str(folder), "--device", asked.device]
    words += ["--precision", case.precision, "--batch", str(asked.batch), "--steps", str(asked.steps)]
    found: dict[str, Any] = json.loads(_child(words, folder).splitlines()[-1])
    return found


def _child(words: list[str], weights: Path | None) -> str:
    own = {"HF_HOME": f"{weights}/hf", "TORCH_HOME": f"{weights}/torch_home", "HF_HUB_OFFLINE": "1"} if weights else {}
    done = subprocess.run(words, env={**os.environ, **own}, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(words)} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def _lines(
    rounds: list[dict[Case, dict[str, Any]]], limit: float, asked: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    theirs = next((found for case, found in rounds[0].items() if case.engine == "audiocraft"), {})
    for case in rounds[0]:
        steps_per_s = statistics.median(each[case]["steps_per_s"] for each in rounds)
        exact = case.engine == "audiocraft" or (case.engine == "assetgen" and case.precision == "fp32")
        same = rounds[0][case].get("tokens") == theirs.get("tokens") if exact and theirs else None
        weight = rounds[0][case].get("weight_bytes", BYTES[case.precision])
        step = _step_bytes(asked, case, weight)
        line = {
            "engine": case.engine,
            "model": asked.model,
            "device": asked.device,
            "precision": case.precision,
            "batch": asked.batch,
            "steps": asked.steps,
            "steps_per_s": round(steps_per_s, 2),
            "audio_s_per_s": round(steps_per_s * asked.batch / FRAMES_PER_S, 3),
            "bytes_per_s": round(step * steps_per_s),
            "limit_bytes_per_s": round(limit),
            "share_of_limit": round(step * steps_per_s / limit, 3),
            "bytes_per_weight": weight,
            "same_tokens": same,
        }
        if "alone_steps_per_s" in rounds[0][case]:
            line["one_by_one_audio_s_per_s"] = round(rounds[0][case]["alone_steps_per_s"] / FRAMES_PER_S, 3)
        yield line


def _step_bytes(asked: argparse.Namespace, case: Case, weight: float) -> float:
    """What a step must read: all weights once, of so many bytes each, and for each track the keys and values of half
    the length, twice for guidance. Text keys and values are left out, as are the second half of cross-attention's own
    weights."""
    shape = SHAPES[asked.model.removeprefix("stereo-")]
    dim, layers = shape["dim"], shape["num_layers"]
    codebooks = 8 if asked.model.startswith("stereo-") else 4
    weights = layers * 14 * dim * dim + codebooks * 2048 * dim
    heard = asked.batch * 2 * layers * 2 * dim * asked.steps / 2
    of_heard = 4.0 if asked.device == "cpu" else BYTES[case.precision]
    return weights * weight + heard * of_heard


def _show(lines: list[dict[str, Any]], asked: argparse.Namespace) -> None:
    theirs = next((line["steps_per_s"] for line in lines if line["engine"] == "audiocraft"), 0.0)
    rows = {
        f"{line['engine']}, {line['precision']}": [
            f"{line['steps_per_s']:.1f}",
            f"{line['steps_per_s'] / theirs:.1f}" if theirs else "",
            f"{line['audio_s_per_s']:.2f}",
            f"{line['bytes_per_s'] / 1e9:.1f}",
            f"{100 * line['share_of_limit']:.0f} %",
            {True: "yes", False: "NO", None: ""}[line["same_tokens"]],
        ]
        for line in lines
    }
    limit = lines[0]["limit_bytes_per_s"] / 1e9
    title = f"{asked.model}, {asked.batch} at once, {asked.steps} steps, {asked.device}; memory reads {limit:.0f} GB/s"
    table(title, rows, ["steps/s", "times audiocraft", "s of audio/s", "GB/s", "of the limit", "same tokens"])


if __name__ == "__main__":
    main()
