"""What a generator must be. A plug-in is a plain class that satisfies `Generator`; it inherits nothing.

A plug-in names its class in the entry-point group `tydust_assetgen.generators`. The class is made without
arguments, and making it must be cheap: numpy, torch and models are loaded in `generate`, not before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import msgspec

from tydust_assetgen.audio import Audio
from tydust_assetgen.errors import Problem
from tydust_assetgen.flow import Brief, Scalar, Take


class Progress(Protocol):
    """Called while a performance is made."""

    def __call__(self, index: int, share: float, note: str = "") -> None:
        """The index of a brief in its batch, the share of it that is done (0.0 to 1.0), and how it goes, such as
        `31 steps/s`."""


@dataclass(frozen=True)
class Shelf:
    """What a generator may read besides its briefs."""

    root: Path
    """The manifest's folder: paths in parameters are relative to it."""
    audio: Mapping[str, Audio] = field(default_factory=dict)
    """The references of the briefs, decoded, by their digest. Empty at planning."""


class Resources(msgspec.Struct, frozen=True, kw_only=True):
    """What generating needs, so that the build can place the work."""

    gpu: bool = False
    batch: int = 1
    """How many briefs it likes to get at once."""
    memory_mb: int = 500
    start_s: float = 0.0
    """What its first brief in a build waits for, in seconds: big libraries, a model."""


class Generator(Protocol):
    """Makes performances. The same brief gives the same samples on the same machine, whatever is made beside it.

    A parameter that names a sound file (a melody, say) is annotated `Meta(extra={"reference": True})`: the build
    checks it, puts its digest into the key, and hands its sound in on the `Shelf`. One that may name a folder is
    annotated `Meta(extra={"files": (...)})`: when one of these files in it changes, keys are asked for again.
    """

    @property
    def name(self) -> str:
        """As the manifest names it, such as `composer`."""

    @property
    def version(self) -> str:
        """Goes into the take key: a new version means another sound."""

    def licence(self, brief: Brief) -> str:
        """Of what it makes of a brief, as an SPDX expression or a short name. `-NC` in it: not for commercial use."""

    @property
    def resources(self) -> Resources: ...

    @property
    def parameters(self) -> type[msgspec.Struct]:
        """The type of its own table in the manifest. Ranges stand in its annotations (`msgspec.Meta`). Batches are
        sorted by the parameters in their order: first comes what takes longest to change, such as the model."""

    def available(self) -> str:
        """Empty when it can work here, else the reason, and what to do about it. Cheap: nothing big is imported."""

    def check(self, brief: Brief, shelf: Shelf) -> tuple[Problem, ...]:
        """What it can't do of this brief. Asked at planning, so that nothing fails after minutes."""

    def cautions(self, brief: Brief, shelf: Shelf) -> tuple[str, ...]:
        """What a person should know before this brief is performed, such as a licence, or a slow device."""

    def key_parameters(self, brief: Brief, shelf: Shelf) -> dict[str, Scalar]:
        """What decides the sound besides the brief and the version, such as a digest of the model's weights. An empty
        text means: not known on this machine; what the lock file says of it then counts."""

    def estimate_s(self, brief: Brief) -> float:
        """How long one take will take here, roughly, in seconds, without `Resources.start_s`."""

    def generate(self, briefs: Sequence[Brief], shelf: Shelf, progress: Progress) -> Iterator[tuple[int, Take]]:
        """One take for each brief.

        Yields:
            The index of a brief and its take, in whatever order takes are ready: each is kept, and finished by others,
            while the rest is made.

        Raises:
            AssetgenError: a person's mistake, or something that the machine lacks.
        """


@runtime_checkable
class MatchesText(Protocol):
    """A generator that can tell how near a sound is to a text, which then counts when the best take is chosen."""

    def text_match(self, audio: Audio, text: str) -> float | None:
        """Cosine similarity, -1 to 1; `None` where nothing that can tell is installed."""


@runtime_checkable
class ReadsData(Protocol):
    """A generator whose sound also depends on data files of its own."""

    def data_files(self) -> Sequence[str]:
        """Their paths. When one changes, a build looks at the generator's version again. Cheap: nothing is read."""


@runtime_checkable
class WritesMidi(Protocol):
    """A generator that has a score to show."""

    def midi(self, brief: Brief) -> bytes:
        """The score of a brief as a Standard MIDI File."""
