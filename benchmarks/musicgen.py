"""The whole way of one track with MusicGen, stage by stage, beside a plain script that does what the track's first
version did: load, generate, resample, save WAV, ffmpeg to OGG, ffmpeg to MP3.

    python benchmarks/musicgen.py --scale small --seconds 60 [--device cpu|cuda] [--together] [--json]

The weights are random, in the real format and of the true size: speed does not depend on their values. `--together`
runs both at the same time, each on half of the cores, so that a noisy machine is equally noisy for both; without, one
after the other on all cores. Needs the `musicgen` extra and ffmpeg.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from timing import table

REPOSITORY = Path(__file__).resolve().parent.parent
CHECKPOINTS = REPOSITORY / "tests" / "generate" / "musicgen" / "checkpoints.py"
PROMPT = (
    "Synthwave, calm and mysterious, D minor, 90 BPM. Intro: introspective, atmospheric synth pads, subtle arpeggios. "
    "Main: wonder and discovery, layered arpeggios, warm analog bass. Outro: reflective melodic lead."
)


class Watch:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.stages: dict[str, float] = {}
        self._since = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.stages[stage] = round(self.stages.get(stage, 0.0) + now - self._since, 3)
        self._since = now


def plain(folder: Path, work: Path, seconds: float, device: str) -> dict[str, float]:
    """The script that the track was first made with."""
    watch = Watch()
    import soundfile
    import torch
    import torchaudio
    from audiocraft.models import MusicGen

    watch.lap("import")
    model = MusicGen.get_pretrained(str(folder), device=device)
    model.set_generation_params(duration=seconds, temperature=1.1, top_k=250)
    watch.lap("load")
    torch.manual_seed(0)
    sound = model.generate([PROMPT])[0]
    watch.lap("generate and decode")
    sound = torchaudio.functional.resample(sound, model.sample_rate, 44_100).cpu()
    watch.lap("resample, finish")
    soundfile.write(work / "plain.wav", sound.T.numpy(), 44_100)
    watch.lap("save WAV")
    for name, options in (("ogg", ["-q:a", "6"]), ("mp3", ["-b:a", "192k"])):
        words = ["ffmpeg", "-v", "error", "-y", "-i", str(work / "plain.wav"), *options, str(work / f"plain.{name}")]
        subprocess.run(words, check=True)
        watch.lap(f"encode {name}")
    return watch.stages


def ours(folder: Path, work: Path, seconds: float, device: str) -> dict[str, float]:
    """The same track through assetgen's own rooms, with loop, loudness and verification."""
    watch = Watch()
    import msgspec

    from tydust_assetgen import codec
    from tydust_assetgen.finish import finish
    from tydust_assetgen.flow import Brief, Encoded, Finish, Output, Recipe
    from tydust_assetgen.generate.musicgen import MusicGen
    from tydust_assetgen.generate.musicgen.spec.parameters import MusicGenParameters
    from tydust_assetgen.generate.protocol import Shelf
    from tydust_assetgen.verify import inspect

    parameters = msgspec.to_builtins(MusicGenParameters(model=str(folder), device=device))  # type: ignore[arg-type]
    brief = Brief(generator="musicgen", prompt=PROMPT, duration_s=seconds, seed=0, bpm=90, parameters=parameters)
    watch.lap("import")

    def progress(index: int, share: float, note: str = "") -> None:
        del index
        if note.endswith("steps/s") and "load" not in watch.stages:
            watch.lap("load")
        if share == 1.0:
            watch.lap("generate and decode")

    ((_, take),) = MusicGen().generate([brief], Shelf(work), progress)
    master = finish(take, Finish())
    watch.lap("resample, finish")
    recipe = Recipe(slot="a.ogg", title="a", game="a", brief=brief, finish=Finish(), outputs=())
    for name in ("ogg", "mp3"):
        output = Output(path=f"a.{name}", codec=name)  # type: ignore[arg-type]
        encoded = Encoded(output, codec.encode(master, output, codec.Tags()))
        watch.lap(f"encode {name}")
        inspect(encoded.data, output, recipe, master.facts)
        watch.lap(f"verify {name}")
    return watch.stages


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--scale", default="small", choices=("tiny", "small", "medium", "large"))
    words.add_argument("--seconds", type=float, default=60.0)
    words.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    words.add_argument("--together", action="store_true")
    words.add_argument("--json", action="store_true")
    words.add_argument("--only", choices=("plain", "ours"), help=argparse.SUPPRESS)
    words.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    chosen = words.parse_args()
    if chosen.only:
        run = plain if chosen.only == "plain" else ours
        with tempfile.TemporaryDirectory() as work:
            print(json.dumps(run(chosen.folder, Path(work), chosen.seconds, chosen.device)))
        return
    with tempfile.TemporaryDirectory() as folder:
        _report(_both(Path(folder), chosen), chosen)


def _both(folder: Path, chosen: argparse.Namespace) -> dict[str, dict[str, float]]:
    maker = [
        sys.executable,
        str(CHECKPOINTS),
        str(folder / "weights"),
    ]
    subprocess.run([*maker, "--kind", "t5", "--scale", chosen.scale], check=True, stdout=subprocess.DEVNULL)
    cores = sorted(os.sched_getaffinity(0))
    half = len(cores) // 2
    shares = (
        {"plain": cores[:half], "ours": cores[half:]} if chosen.together else dict.fromkeys(("plain", "ours"), cores)
    )
    if chosen.together:
        running = {name: _start(name, folder / "weights", chosen, share) for name, share in shares.items()}
        return {name: _stages(child) for name, child in running.items()}
    return {name: _stages(_start(name, folder / "weights", chosen, share)) for name, share in shares.items()}


def _start(name: str, folder: Path, chosen: argparse.Namespace, cores: list[int]) -> subprocess.Popen[str]:
    own = {
        "HF_HOME": str(folder / "hf"),
        "TORCH_HOME": str(folder / "torch_home"),
        "HF_HUB_OFFLINE": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    words = [sys.executable, __file__, "--only", name, "--folder", str(folder), "--device", chosen.device]
    words += ["--seconds", str(chosen.seconds)]
    env = {**os.environ, **own, "OMP_NUM_THREADS": str(len(cores))}
    prefix = ["taskset", "-c", ",".join(map(str, cores))] if chosen.together else []
    return subprocess.Popen([*prefix, *words], env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def _stages(child: subprocess.Popen[str]) -> dict[str, float]:
    said, _ = child.communicate()
    if child.returncode:
        sys.exit("a run failed; try it alone with `--only`")
    found: dict[str, float] = json.loads(said.splitlines()[-1])
    return found


def _report(found: dict[str, dict[str, float]], chosen: argparse.Namespace) -> None:
    if chosen.json:
        for engine, stages in found.items():
            line: dict[str, Any] = {"engine": engine, "model": chosen.scale, "seconds": chosen.seconds, **stages}
            print(json.dumps(line))
        return
    names = list(dict.fromkeys(name for stages in found.values() for name in stages))
    rows = {name: [f"{stages.get(name, 0.0):.2f}" for stages in found.values()] for name in names}
    rows["in all"] = [f"{sum(stages.values()):.2f}" for stages in found.values()]
    table(f"{chosen.seconds:g} s, musicgen-{chosen.scale}, {chosen.device}, seconds", rows, list(found))


if __name__ == "__main__":
    main()
