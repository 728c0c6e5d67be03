"""Every error that a user can meet, and how its message is built.

    AssetgenError            a person can correct it                   exit code 1
    ├── UsageError           a command was called wrongly              exit code 2
    ├── ManifestError        `assets.toml` (or a file it names)        exit code 2
    ├── GenerationError      a generator could not make a track        exit code 1
    ├── UnavailableError     a generator, encoder or extra is missing  exit code 1
    ├── CodecError           bytes that can't be encoded or decoded    exit code 1
    ├── StoreError           the store can't be read or written        exit code 1
    └── BusyError            another build holds the lock              exit code 1

Every error carries one or more `Problem`s: what is wrong, where, in which slot, and a hint.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, in words for a person: lower case, no full stop, `backticks` for names."""

    message: str
    place: str = ""
    """Where it stands, such as `assets.toml:14`; empty where there is no such place."""
    slot: str = ""
    hint: str = ""

    def __str__(self) -> str:
        head = ": ".join(part for part in (self.place, self.slot, self.message) if part)
        return f"{head}\n  hint: {self.hint}" if self.hint else head


class AssetgenError(Exception):
    """Base of all errors that a person can do something about. `problems` is never empty."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, place: str = "", slot: str = "", hint: str = "") -> None:
        self.problems: tuple[Problem, ...] = (Problem(message, place, slot, hint),)
        super().__init__(message)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class UsageError(AssetgenError):
    """The command line asks for something that does not exist."""

    exit_code = 2


class ManifestError(AssetgenError):
    """The manifest, or a file that it names, is not right."""

    exit_code = 2

    @classmethod
    def all(cls, problems: Iterable[Problem]) -> ManifestError:
        """One error that reports every problem of a manifest at once."""
        listed = tuple(problems)
        error = cls(listed[0].message)
        error.problems = listed
        return error


class GenerationError(AssetgenError):
    """A generator could not make a track."""


class UnavailableError(AssetgenError):
    """A generator, an encoder or an extra is not installed here."""


class CodecError(AssetgenError):
    """Audio that can't be encoded, or bytes that don't decode whole."""


class StoreError(AssetgenError):
    """The store can't be read or written."""


class BusyError(AssetgenError):
    """Another build holds the lock, and the caller did not want to wait."""
