"""The MusicGen generator: music from a text, and from a melody to follow, by a transformer of Meta's.

Importing this package loads neither numpy nor torch, and neither does planning: what must be known of a model then is
read from its files (`spec`). `runtime.generate` makes the takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from tydust_assetgen.audio import Audio
from tydust_assetgen.errors import Problem
from tydust_assetgen.flow import Brief, Scalar, Take
from tydust_assetgen.generate.musicgen.spec.parameters import NAME, VERSION, MusicGenParameters
from tydust_assetgen.generate.protocol import Progress, Resources, Shelf

if TYPE_CHECKING:
    from tydust_assetgen.generate.musicgen.runtime.memory import ModelCache


class MusicGen:
    """Text (and melody) to music. Satisfies `generate.protocol.Generator`."""

    name = NAME
    version = VERSION
    resources = Resources(gpu=True, batch=16, memory_mb=6000, start_s=8.0)
    parameters: type[msgspec.Struct] = MusicGenParameters

    def __init__(self) -> None:
        self._models: ModelCache | None = None

    def available(self) -> str:
        """Empty when audiocraft and torch are installed, else how to install them. Whether they can be imported shows
        when a track is made, or in `assetgen doctor`: to try it takes seconds."""
        from tydust_assetgen.generate.musicgen.spec.estimates import missing_libraries

        return missing_libraries()

    def licence(self, brief: Brief) -> str:
        """Of the weights, which bind what is made with them."""
        from tydust_assetgen.generate.musicgen.spec.estimates import licence

        return licence(brief)

    def check(self, brief: Brief, shelf: Shelf) -> tuple[Problem, ...]:
        """What it can't do of a brief."""
        from tydust_assetgen.generate.musicgen.spec.validate import problems

        return problems(brief, shelf)

    def cautions(self, brief: Brief, shelf: Shelf) -> tuple[str, ...]:
        """The licence of the weights, and what to expect without a GPU or with rounded weights."""
        from tydust_assetgen.generate.musicgen.spec.estimates import cautions

        return cautions(brief, shelf)

    def key_parameters(self, brief: Brief, shelf: Shelf) -> dict[str, Scalar]:
        """The weights' fingerprint (empty where they are not), and the composer's version where it makes the guide."""
        from tydust_assetgen.generate.musicgen.spec.estimates import key_parameters

        return key_parameters(brief, shelf)

    def estimate_s(self, brief: Brief) -> float:
        """From the model's size, the device and the length."""
        from tydust_assetgen.generate.musicgen.spec.estimates import estimate_s

        return estimate_s(brief)

    def generate(self, briefs: Sequence[Brief], shelf: Shelf, progress: Progress) -> Iterator[tuple[int, Take]]:
        """One take for each brief, many at once; the model stays in memory for the next call.

        Raises:
            UnavailableError: a library or the weights are not here.
            GenerationError: the model can't make it, or memory runs out.
        """
        from tydust_assetgen.generate.musicgen.runtime.audiocraft_imports import load_torch, wait_quietly
        from tydust_assetgen.generate.musicgen.spec.import_check import explained

        wait_quietly()
        with explained():
            load_torch()
            from tydust_assetgen.generate.musicgen.runtime.generate import generate_takes  # with torch, so only now

            yield from generate_takes(briefs, shelf, self._model_cache(), progress)

    def text_match(self, audio: Audio, text: str) -> float | None:
        """How near a sound is to a text, by CLAP; `None` where that model is not in the hub cache."""
        from tydust_assetgen.generate.musicgen.runtime.clap import text_match

        return text_match(audio, text)

    def _model_cache(self) -> ModelCache:
        """Keeps the model from one call to the next."""
        from tydust_assetgen.generate.musicgen.runtime.memory import ModelCache

        if self._models is None:
            self._models = ModelCache()
        return self._models
