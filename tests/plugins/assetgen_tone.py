"""A small generator for the tests, found as any plug-in is: by its entry point. It plays a pulsing chord in no time.

Its parameters can make it slow, fail, crash or die, as real generators do, and write down each performance.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np

from tydust_assetgen.audio import Audio
from tydust_assetgen.errors import GenerationError, Problem
from tydust_assetgen.flow import Brief, Facts, Provenance, Scalar, Take
from tydust_assetgen.generate.protocol import Progress, Resources, Shelf

RATE_HZ = 22_050


class ToneParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `[music."…".tone]` table."""

    pitch: Annotated[float, msgspec.Meta(ge=50, le=2000)] = 220.0
    slow_s: Annotated[float, msgspec.Meta(ge=0, le=60)] = 0.0
    trouble: str = ""
    rough: bool = False
    """The seed decides how hard it is cut flat."""
    log: str = ""
    follow: Annotated[str, msgspec.Meta(extra={"reference": True})] = ""
    weights: Annotated[str, msgspec.Meta(extra={"files": ("weights.txt",)})] = ""
    licence: str = "CC0-1.0"


class Tone:
    """Satisfies `Generator`."""

    name = "tone"
    version = "1"
    resources = Resources()
    parameters: type[msgspec.Struct] = ToneParameters

    def available(self) -> str:
        return ""

    def licence(self, brief: Brief) -> str:
        return str(brief.parameters["licence"])

    def cautions(self, brief: Brief, shelf: Shelf) -> tuple[str, ...]:
        return ("mind the step",) if brief.parameters["trouble"] == "caution" else ()

    def check(self, brief: Brief, shelf: Shelf) -> tuple[Problem, ...]:
        if brief.parameters["trouble"] == "refuse":
            return (Problem("this can't be played", hint="ask for something else"),)
        return ()

    def key_parameters(self, brief: Brief, shelf: Shelf) -> dict[str, Scalar]:
        """The name of a folder with a text that stands for a model's weights, which may not be here."""
        if not (name := str(brief.parameters["weights"])):
            return {}
        file = shelf.root / name / "weights.txt"
        return {"weights": file.read_text() if file.exists() else ""}

    def estimate_s(self, brief: Brief) -> float:
        return 0.01 * brief.duration_s

    def generate(self, briefs: Sequence[Brief], shelf: Shelf, progress: Progress) -> Iterator[tuple[int, Take]]:
        for index, brief in enumerate(briefs):
            yield index, self._play(index, brief, shelf, progress)

    def _play(self, index: int, brief: Brief, shelf: Shelf, progress: Progress) -> Take:
        parameters = msgspec.convert(brief.parameters, ToneParameters)
        if parameters.log:
            with Path(parameters.log).open("a") as log:
                log.write(f"{brief.prompt}\n")
        _misbehave(parameters.trouble, brief, parameters.log)
        for share in range(10):
            time.sleep(parameters.slow_s / 10)
            progress(index, share / 10)
        frames = round(brief.duration_s * RATE_HZ)
        provenance = Provenance(generator="tone", version="1", licence="CC0-1.0")
        pitch = parameters.pitch
        for reference in brief.references:
            pitch = 1.5 * _pitch_of(shelf.audio[reference.digest])
        samples = _chord(pitch, brief, frames)
        if parameters.rough:
            samples = _rough(samples, brief.seed)
        return Take(Audio(samples, RATE_HZ), Facts(loop_frames=frames), provenance)


class Choir(Tone):
    """The same sounds from a generator that likes batches; it writes down the size of each."""

    name = "choir"
    resources = Resources(batch=3)

    def generate(self, briefs: Sequence[Brief], shelf: Shelf, progress: Progress) -> Iterator[tuple[int, Take]]:
        if log := briefs[0].parameters["log"]:
            with Path(str(log)).open("a") as file:
                file.write(f"batch of {len(briefs)}, process {os.getpid()}\n")
        yield from super().generate(briefs, shelf, progress)


class Critic(Tone):
    """The same sounds from a generator that tells how near a sound is to a text: the louder it begins, the nearer."""

    name = "critic"

    def text_match(self, audio: Audio, text: str) -> float | None:
        return None if "unheard" in text else float(np.abs(audio.samples[:, :50]).max())


def _pitch_of(heard: Audio) -> float:
    """The strongest frequency of a sound."""
    spectrum = np.abs(np.fft.rfft(heard.samples.mean(axis=0)))
    return float(np.argmax(spectrum) * heard.rate_hz / heard.frames)


def _misbehave(trouble: str, brief: Brief, log: str) -> None:
    match trouble:
        case "fail":
            raise GenerationError("the string broke", hint="buy a new one")
        case "fail first" if brief.seed == 0:
            raise GenerationError("the string broke", hint="buy a new one")
        case "crash first" if brief.seed == 0:
            raise ZeroDivisionError("a bug in the tone generator")
        case "kill third" if len(Path(log).read_text().splitlines()) == 3:
            os.kill(os.getpid(), 9)
        case "crash":
            raise ZeroDivisionError("a bug in the tone generator")
        case "say":
            sys.stderr.write("a word from the tone generator\n")
        case "die":
            os._exit(7)
        case "kill":
            os.kill(os.getpid(), 9)
        case "memory":
            raise MemoryError


def _rough(samples: np.ndarray, seed: int) -> np.ndarray:
    """Louder for some seeds than for others, up to 12 dB over full scale, and cut there."""
    gain = 10 ** (np.random.default_rng(seed).uniform(-6, 12) / 20)
    return np.clip(samples / np.abs(samples).max() * gain, -1, 1).astype(np.float32)


def _chord(pitch: float, brief: Brief, frames: int) -> np.ndarray:
    """Whole periods, so that it loops, and some noise; the prompt and the seed choose the phases."""
    random = np.random.default_rng([brief.seed, *brief.prompt.encode()])
    phase = random.uniform(0, 2 * np.pi, (2, 3, 1))
    time_s = np.arange(frames) / RATE_HZ
    cycles = np.round(np.array([[pitch], [pitch * 1.2], [pitch * 1.5]]) * brief.duration_s) / brief.duration_s
    beats = round(2 * brief.duration_s) / brief.duration_s
    pulse = 0.6 + 0.4 * np.cos(2 * np.pi * beats * time_s)
    waves = np.sin(2 * np.pi * cycles * time_s + phase).sum(axis=1)
    breath = 0.02 * random.standard_normal((2, frames))  # without it a codec's error at the wrap stands alone
    return (0.1 * waves * pulse + breath).astype(np.float32)
