"""What a generator must be. A plug-in is a plain class that satisfies `Generator`; it inherits nothing.

A plug-in names its class in the entry-point group `tydust_assetgen.generators`. The class is made without
arguments, and making it must be cheap: numpy, torch and models are loaded in `generate`, not before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias, runtime_checkable

import msgspec

from tydust_assetgen.errors import Problem
from tydust_assetgen.flow import Brief, Scalar, Take

Progress: TypeAlias = Callable[[int, float], None]
"""Called with the index of a brief in its batch and the share of it that is done, 0.0 to 1.0."""


class Resources(msgspec.Struct, frozen=True, kw_only=True):
    """What generating needs, so that the build can place the work."""

    gpu: bool = False
    batch: int = 1
    """How many briefs it likes to get at once."""
    memory_mb: int = 500


class Generator(Protocol):
    """Makes performances. The same brief gives the same samples on the same machine, whatever is made beside it."""

    @property
    def name(self) -> str:
        """As the manifest names it, such as `composer`."""

    @property
    def version(self) -> str:
        """Goes into the take key: a new version means another sound."""

    @property
    def licence(self) -> str:
        """Of what it makes, as an SPDX expression or a short name."""

    @property
    def resources(self) -> Resources: ...

    @property
    def parameters(self) -> type[msgspec.Struct]:
        """The type of its own table in the manifest. Ranges stand in its annotations (`msgspec.Meta`)."""

    def available(self) -> str:
        """Empty when it can work here, else the reason, with what would mend it. Cheap: nothing big is imported."""

    def check(self, brief: Brief) -> tuple[Problem, ...]:
        """What it can't do of this brief. Asked at planning, so that nothing fails after minutes."""

    def key_parameters(self, brief: Brief) -> dict[str, Scalar]:
        """What decides the sound besides the brief and the version, such as a model's pinned revision."""

    def estimate_s(self, brief: Brief) -> float:
        """How long it will take here, roughly, in seconds."""

    def generate(self, briefs: Sequence[Brief], progress: Progress) -> list[Take]:
        """One take for each brief, in their order.

        Raises:
            AssetgenError: a person's mistake, or something that the machine lacks.
        """


@runtime_checkable
class WritesMidi(Protocol):
    """A generator that has a score to show."""

    def midi(self, brief: Brief) -> bytes:
        """The score of a brief as a Standard MIDI File."""
