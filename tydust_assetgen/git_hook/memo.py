"""What the hook remembers between commits, in a file in git's own folder.

Three things are kept: which digest a blob has (a blob never changes), by a digest of all that was judged which slots
were found right, and for which blobs a whole manifest was. The file lies in git's own folder, which no clone carries:
whoever can write there can remove the hook as well. It begins with a digest of the rest, so that a damaged one counts
as none; without it everything is looked at again. Little is imported here: a commit that was judged before needs no
more.
"""

from __future__ import annotations

import contextlib
import os
import sys
from _blake2 import blake2b  # not hashlib: that loads OpenSSL
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import NamedTuple

from tydust_assetgen.git_hook.git import Entry
from tydust_assetgen.project.state import stat_of, toolchain
from tydust_assetgen.version import VERSION

_MAGIC = f"assetgen hook 3, version {VERSION}"
_MOST = 100_000
"""Lines that are kept; the oldest go first."""


class Content(NamedTuple):
    """What a blob stands for."""

    digest: str
    """SHA-256."""
    pointer: bool
    """It is a pointer of Git LFS: the digest is that of the file that it points to."""


class RightManifest(NamedTuple):
    """A manifest whose slots are all right, and nothing outside of git and of this program has decided that."""

    place: str
    """Relative to the repository, as all paths in the index."""
    blobs: tuple[str, ...]
    """Blobs of the manifest and of its lock file."""
    looked_at: tuple[str, ...]
    """Folders and files of the index that it was judged by."""
    code: tuple[str, ...]
    """Files that stand for the versions of what would judge it again."""

    def mark(self, index: Mapping[str, Entry]) -> str:
        """A digest of what was found there, and of the program that looked."""
        program = [(path, stat_of(path)) for path in (*self.code, *toolchain())]
        return _digest(repr((sys.version, program, sorted(index.items()))).encode())

    @property
    def fits_a_line(self) -> bool:
        return not any(
            mark in field for part in (self.looked_at, self.code, (self.place,)) for field in part for mark in "\n\t"
        )


class Memo:
    """Digests of blobs, and what was found right."""

    def __init__(self, private: str) -> None:
        self._file = os.path.join(private, "assetgen", "staged")
        self._lines = dict.fromkeys(_read(self._file))
        self._new: dict[str, None] = {}

    @cached_property
    def _blobs(self) -> dict[str, Content]:
        words = (line.split(" ") for line in self._lines if line.startswith("blob "))
        return {word[1]: Content(word[2], word[3] == "pointer") for word in words}

    def blob(self, name: str) -> Content | None:
        """What a blob stands for, if that is known."""
        return self._blobs.get(name)

    def keep_blob(self, name: str, found: Content) -> None:
        self._blobs[name] = found
        self._add(f"blob {name} {found.digest} {'pointer' if found.pointer else 'file'}")

    def knows(self, verdict: str) -> bool:
        """Whether just this was found right before."""
        return f"right {verdict}" in self._lines

    def keep(self, verdicts: Iterable[str]) -> None:
        for verdict in verdicts:
            self._add(f"right {verdict}")

    def right_manifests(self, place: str, blobs: tuple[str, ...]) -> list[tuple[RightManifest, str]]:
        """When this manifest was found right with this lock file, with the mark of each time."""
        begin = "\t".join(("whole", place, *blobs, ""))
        fields = (line.split("\t") for line in self._lines if line.startswith(begin))
        return [
            (RightManifest(place, blobs, tuple(each[6 : 6 + int(each[5])]), tuple(each[6 + int(each[5]) :])), each[4])
            for each in fields
        ]

    def keep_manifest(self, found: RightManifest, index: Mapping[str, Entry]) -> None:
        if found.fits_a_line:
            head = ("whole", found.place, *found.blobs, found.mark(index), str(len(found.looked_at)))
            self._add("\t".join((*head, *found.looked_at, *found.code)))

    def _add(self, line: str) -> None:
        if line not in self._lines:
            self._new[line] = None

    def close(self) -> None:
        """Write down what is new."""
        if not self._new:
            return
        from pathlib import Path

        from tydust_assetgen.system import write_atomic

        lines = [*self._lines, *self._new][-_MOST:]
        body = "\n".join(lines).encode("utf-8", "surrogateescape")
        with contextlib.suppress(OSError):  # a read-only repository is only slower
            write_atomic(Path(self._file), f"{_MAGIC}\n{_digest(body)}\n".encode() + body, durable=False)


def _read(file: str) -> list[str]:
    try:
        with open(file, "rb") as opened:
            magic, digest, body = opened.read().split(b"\n", 2)
    except (OSError, ValueError):
        return []
    right = magic == _MAGIC.encode() and digest == _digest(body).encode()
    return body.decode("utf-8", "surrogateescape").split("\n") if right else []


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=16).hexdigest()
