"""From the command to the first step of MusicGen, part by part, in processes that begin cold; and beside it audiocraft.

    python benchmarks/loading.py --scale medium [--device cpu|cuda] [--rounds 3] [--json]

The weights are random, in the real format and of the true size, with a T5 of the true size: 3.7 GB for `medium` and
0.9 GB for its T5, which one round reads into the system's cache before any is counted. A round is the command
that plans (`assetgen build --dry-run`), then what its worker does: it is started as a build starts one, and stopped
after the first step. Parts are medians of the rounds. `own memory` is the peak of what is the process's own; what it
maps of files and the system can take back is not in it (Linux). Needs the `musicgen` extra.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from timing import command_s, table

REPOSITORY = Path(__file__).resolve().parent.parent
CHECKPOINTS = REPOSITORY / "tests" / "generate" / "musicgen" / "checkpoints.py"
PROMPT = "Calm and mysterious synthwave in D minor, 90 BPM, warm analog bass, subtle arpeggios, soft pads"
PLAN, START = "command and plan", "worker starts"


class Enough(BaseException):
    """The first step is done."""


class Spans:
    """Seconds by part. A part within another one counts for itself only."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._within = ["other"]
        self._since = time.perf_counter()

    def _charge(self) -> None:
        now, part = time.perf_counter(), self._within[-1]
        self.seconds[part] = self.seconds.get(part, 0.0) + now - self._since
        self._since = now

    def run(self, part: str, work: Callable[..., Any], *args: Any, **named: Any) -> Any:
        self._charge()
        self._within.append(part)
        try:
            return work(*args, **named)
        finally:
            self._charge()
            self._within.pop()

    def watch(self, owner: Any, name: str, part: str, *, last: bool = False) -> None:
        """From now on, what `owner` has under that name counts as a part."""
        work = getattr(owner, name)

        def watched(*args: Any, **named: Any) -> Any:
            result = self.run(part, work, *args, **named)
            if last:
                raise Enough
            return result

        setattr(owner, name, watched)


class Peak(threading.Thread):
    """Looks at the process's memory every 20 ms (Linux)."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.gib = 0.0

    def run(self) -> None:
        while Path("/proc/self/status").exists():
            found = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
            self.gib = max(self.gib, int(found["RssAnon"].split()[0]) / 2**20)
            time.sleep(0.02)


def ours(folder: Path, device: str) -> dict[str, float]:
    """What a worker does for one track, until the first step is done."""
    spans = Spans()
    spans.run("assetgen", _modules)
    from tydust_assetgen.generate.musicgen.runtime.audiocraft_imports import load_torch

    spans.run("torch", load_torch)
    _watch(spans)
    import msgspec

    from tydust_assetgen.flow import Brief
    from tydust_assetgen.generate.musicgen import MusicGen
    from tydust_assetgen.generate.musicgen.spec.parameters import MusicGenParameters
    from tydust_assetgen.generate.protocol import Shelf

    parameters = msgspec.to_builtins(MusicGenParameters(model=str(folder), device=device))  # type: ignore[arg-type]
    brief = Brief(generator="musicgen", prompt=PROMPT, duration_s=10, seed=0, bpm=90, parameters=parameters)
    try:
        list(MusicGen().generate([brief], Shelf(folder), lambda *_: None))
    except Enough:
        return spans.seconds
    raise RuntimeError("no step was seen")


def _modules() -> None:
    """All that a worker imports, but for torch and what needs it."""
    from tydust_assetgen.generate.musicgen.runtime.audiocraft_imports import wait_quietly

    wait_quietly()


def _watch(spans: Spans) -> None:
    def modules() -> None:
        import tydust_assetgen.generate.musicgen.runtime.generate  # noqa: F401

    spans.run("assetgen", modules)
    from tydust_assetgen.generate.musicgen import decoder
    from tydust_assetgen.generate.musicgen.decoder.engine import Engine
    from tydust_assetgen.generate.musicgen.runtime import load, track

    spans.watch(load, "prepare", "audiocraft")
    spans.watch(load, "ready", "looking at the files")
    spans.watch(load, "_conditioners", "text encoder")
    spans.watch(load, "_empty", "hollow transformer")
    spans.watch(load, "_take_over", "weights")
    spans.watch(load, "_codec", "codec")
    spans.watch(decoder, "build_transformer", "decoder")
    spans.watch(track.ConditionCache, "_encode", "reading the words")
    spans.watch(Engine, "__init__", "decoder")
    spans.watch(Engine, "begin", "first column")
    spans.watch(Engine, "step", "first step", last=True)


def audiocraft(folder: Path, device: str) -> dict[str, float]:
    """The same by audiocraft's own loader and loop."""
    spans = Spans()

    def imported() -> Any:
        from tydust_assetgen.generate.musicgen.runtime.audiocraft_imports import prepare

        prepare()
        import torch  # noqa: F401
        from audiocraft.models.musicgen import MusicGen

        return MusicGen

    made = spans.run("torch and audiocraft", imported)
    model = spans.run("get_pretrained", made.get_pretrained, str(folder), device=device)
    model.set_generation_params(duration=10)

    def stop(_: int, __: int) -> None:
        raise Enough

    model.set_custom_progress_callback(stop)
    try:
        spans.run("first step", model.generate, [PROMPT], progress=True)
    except Enough:
        return spans.seconds
    raise RuntimeError("no step was seen")


def child(way: str, folder: str, device: str, begun: str) -> None:
    started = time.monotonic() - float(begun)
    peak = Peak()
    peak.start()
    seconds = (ours if way == "assetgen" else audiocraft)(Path(folder), device)
    time.sleep(0.05)
    print(json.dumps({"parts": {START: started, **seconds}, "own": peak.gib}), flush=True)
    os._exit(0)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--scale", default="small", choices=("tiny", "small", "medium", "large"))
    words.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--json", action="store_true")
    words.add_argument("--folder", type=Path, help="keep the weights here, or take them from here")
    asked = words.parse_args()
    with tempfile.TemporaryDirectory() as work:
        folder = (asked.folder or Path(work) / "weights").resolve()
        _have_weights(folder, asked.scale)
        _project(Path(work), folder, asked.device)
        measured = partial(_round, folder=folder, project=Path(work), device=asked.device)
        ways = {way: [measured(way) for _ in range(asked.rounds + 1)][1:] for way in WAYS}
    _report(ways, asked)


WAYS = ("assetgen", "audiocraft")


def _have_weights(folder: Path, scale: str) -> None:
    if (folder / "state_dict.bin").is_file():
        return
    maker = [sys.executable, str(CHECKPOINTS), str(folder)]
    subprocess.run([*maker, "--kind", "t5", "--scale", scale], check=True, stdout=subprocess.DEVNULL)
    if scale != "tiny":
        (snapshot,) = (folder / "hf" / "hub" / "models--t5-base" / "snapshots").iterdir()
        subprocess.run([sys.executable, __file__, "--t5", str(snapshot)], check=True)


def true_t5(snapshot: Path) -> None:
    """A T5 in place of the tests' small one, as large as `t5-base`, decoder included."""
    from transformers import T5Config, T5ForConditionalGeneration, T5Tokenizer

    dice = random.Random(1)
    letters = "etaoinshrdlucmfwypvbgkjqxz"
    pieces = {"▁": -2.0, **dict.fromkeys(letters, -4.0)}
    while len(pieces) < 32_000:
        piece = "".join(dice.choice(letters) for _ in range(dice.randint(2, 8)))
        pieces["▁" * (dice.random() < 0.5) + piece] = -8 - 5 * dice.random()
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    T5Tokenizer(vocab=special + list(pieces.items()), extra_ids=100).save_pretrained(snapshot)
    shape = {"d_model": 768, "d_kv": 64, "d_ff": 3072, "num_layers": 12, "num_heads": 12}
    T5ForConditionalGeneration(T5Config(**shape)).save_pretrained(snapshot)


def _project(root: Path, folder: Path, device: str) -> None:
    how = f'{{ model = "{folder}", device = "{device}" }}'
    text = f'"a.ogg" = {{ prompt = "{PROMPT}", generator = "musicgen", musicgen = {how} }}'
    (root / "assets.toml").write_text(f'[game]\nname = "L"\n\n[music]\n{text}\n')


def _round(way: str, folder: Path, project: Path, device: str) -> dict[str, Any]:
    os.environ.update(HF_HOME=str(folder / "hf"), TORCH_HOME=str(folder / "torch_home"), HF_HUB_OFFLINE="1")
    plan_track = command_s([sys.executable, "-m", "tydust_assetgen", "build", "--dry-run"], project)
    threads = {} if way == "audiocraft" else dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    words = [sys.executable, __file__, "--child", way, str(folder), device, str(time.monotonic())]
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, **threads}, check=False)
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if way == "assetgen":
        found["parts"] = {PLAN: plan_track, **found["parts"]}
    return found


def _report(ways: dict[str, list[dict[str, Any]]], asked: argparse.Namespace) -> None:
    for way, rounds in ways.items():
        seen = [each["parts"] for each in rounds]
        parts = {part: statistics.median(each.get(part, 0.0) for each in seen) for part in seen[0]}
        whole = statistics.median(sum(each.values()) for each in seen)
        own = max(each["own"] for each in rounds)
        if asked.json:
            named = {part: round(seconds, 3) for part, seconds in parts.items()}
            line = {"engine": way, "model": asked.scale, "device": asked.device, "first_step_s": round(whole, 3)}
            print(json.dumps({**line, "own_gib": round(own, 2), "parts_s": named}))
        else:
            rows = {part: [f"{seconds:.2f} s"] for part, seconds in parts.items()}
            rows |= {"in all": [f"{whole:.2f} s"], "own memory": [f"{own:.1f} GiB"]}
            table(f"{way}, {asked.scale}, {asked.device}", rows, ["to the first step"])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(*sys.argv[2:])
    elif sys.argv[1:2] == ["--t5"]:
        true_t5(Path(sys.argv[2]))
    else:
        main()
