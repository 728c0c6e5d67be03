"""Random numbers that are the same everywhere, in streams that are named by words.

The composer may not depend on the Python version, the machine or the hash seed, so it brings its own generator:
SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014), seeded by SHA-256.
Every player forks a stream of its own, so that switching the lead off leaves the drums as they were.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")
_MASK = (1 << 64) - 1


class Rng:
    """A stream of random numbers that is named by words."""

    def __init__(self, *words: object) -> None:
        self._name = "\x1f".join(str(word) for word in words)
        self._state = int.from_bytes(hashlib.sha256(self._name.encode()).digest()[:8], "big")

    def fork(self, *words: object) -> Rng:
        """An independent stream. It depends on the names alone, not on how many numbers were drawn."""
        return Rng(self._name, *words)

    def random(self) -> float:
        """A number from 0.0 (inclusive) to 1.0 (exclusive)."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        z = self._state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return ((z ^ (z >> 31)) >> 11) / (1 << 53)

    def chance(self, share: float) -> bool:
        """True in this share of all calls."""
        return self.random() < share

    def choice(self, choices: Sequence[T]) -> T:
        """One of the choices, each as likely as the others."""
        return choices[int(self.random() * len(choices))]

    def integer(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both inclusive."""
        return low + int(self.random() * (high - low + 1))

    def shuffled(self, choices: Sequence[T]) -> list[T]:
        """The choices in another order (Fisher and Yates)."""
        mixed = list(choices)
        for last in range(len(mixed) - 1, 0, -1):
            other = self.integer(0, last)
            mixed[last], mixed[other] = mixed[other], mixed[last]
        return mixed
