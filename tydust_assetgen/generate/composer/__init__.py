"""The embedded composer, a generator that needs no GPU, no weights and no system package.

`compose` writes a score (music theory, no sound), `synth.render` plays it. Styles and instruments are TOML files, see
`styles` and `synth/patches.py` for how to add one. Importing this package loads neither numpy nor `compose`;
`Composer.generate` does.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from tydust_assetgen.errors import GenerationError, Problem
from tydust_assetgen.flow import Brief, Facts, Provenance, Scalar, SectionTime, Take
from tydust_assetgen.generate.composer.parameters import ComposerParameters
from tydust_assetgen.generate.protocol import Progress, Resources, Shelf

if TYPE_CHECKING:
    from tydust_assetgen.generate.composer.score import Score

MAX_DURATION_S = 600.0


class Composer:
    """The default generator. Satisfies `generate.protocol.Generator`."""

    name = "composer"
    version = "1"
    resources = Resources(gpu=False, batch=1, memory_mb=600)
    parameters: type[msgspec.Struct] = ComposerParameters

    def available(self) -> str:
        """Always empty: it works everywhere."""
        return ""

    def licence(self, brief: Brief) -> str:  # noqa: ARG002 (the protocol asks for it)
        """What it makes is free for any use."""
        return "CC0-1.0"

    def check(self, brief: Brief, shelf: Shelf) -> tuple[Problem, ...]:  # noqa: ARG002
        """What it can't do of a brief, in words for a person."""
        return self._problems(brief)

    def _problems(self, brief: Brief) -> tuple[Problem, ...]:
        from tydust_assetgen.generate.composer.validate import problems

        return problems(brief, MAX_DURATION_S)

    def cautions(self, brief: Brief, shelf: Shelf) -> tuple[str, ...]:  # noqa: ARG002
        """None."""
        return ()

    def key_parameters(self, brief: Brief, shelf: Shelf) -> dict[str, Scalar]:  # noqa: ARG002
        """Nothing: the brief and the version decide everything."""
        return {}

    def estimate_s(self, brief: Brief) -> float:
        """About a twentieth of the duration, and a moment to load."""
        return 0.4 + brief.duration_s / 20.0

    def data_files(self) -> list[str]:
        """The styles and the instruments, each a TOML file."""
        return [
            entry.path
            for folder in ("styles", "instruments")
            for entry in sorted(os.scandir(os.path.join(os.path.dirname(__file__), folder)), key=lambda one: one.name)
            if entry.name.endswith(".toml")
        ]

    def score(self, brief: Brief) -> Score:
        """The piece as a score, for MIDI and for those who like to read.

        Raises:
            GenerationError: the brief can't be composed.
        """
        wrong = self._problems(brief)
        if wrong:
            error = GenerationError(wrong[0].message, hint=wrong[0].hint)
            error.problems = wrong
            raise error
        from tydust_assetgen.generate.composer.compose import compose

        return compose(brief)

    def midi(self, brief: Brief) -> bytes:
        """The score as a Standard MIDI File, to carry on in a DAW.

        Raises:
            GenerationError: the brief can't be composed.
        """
        from tydust_assetgen.generate.composer.midi import to_midi

        return to_midi(self.score(brief))

    def generate(
        self,
        briefs: Sequence[Brief],
        shelf: Shelf,  # noqa: ARG002
        progress: Progress,
    ) -> Iterator[tuple[int, Take]]:
        """One take for each brief, in their order.

        Raises:
            GenerationError: a brief can't be composed.
        """
        for index, brief in enumerate(briefs):
            yield index, self._take(index, brief, progress)

    def _take(self, index: int, brief: Brief, progress: Progress) -> Take:
        from tydust_assetgen.audio import Audio
        from tydust_assetgen.generate.composer.synth import render

        score = self.score(brief)
        progress(index, 0.05)
        samples, loop_frames, rate_hz = render(score, lambda share: progress(index, 0.05 + 0.95 * share))
        return Take(Audio(samples, rate_hz), facts(score, loop_frames), self._provenance())

    def _provenance(self) -> Provenance:
        import numpy as np
        import scipy

        libraries = {"numpy": np.__version__, "scipy": scipy.__version__}
        return Provenance(generator=self.name, version=self.version, licence="CC0-1.0", libraries=libraries)


def facts(score: Score, loop_frames: int) -> Facts:
    """What is known of a score's performance."""
    bar_s = score.beats_per_bar * 60.0 / score.bpm
    return Facts(
        key=score.key,
        bpm=score.bpm,
        beats_per_bar=score.beats_per_bar,
        bars=score.bars,
        loop_frames=loop_frames,
        sections=tuple(SectionTime(p.name, p.start_bar * bar_s, p.bars * bar_s) for p in score.passages),
    )
