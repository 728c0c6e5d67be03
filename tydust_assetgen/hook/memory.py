"""What the hook remembers between commits. In walks git's own folder, out walks a `Memory`.

Two things cost time: to digest a big blob, and to make a slot's recipe. So it is kept which digest a blob has (a blob
never changes), and by a digest of all that was judged which slots were found right. The file lies in git's own folder,
which no clone carries: whoever can write there can remove the hook as well. It begins with a digest of the rest, so
that a damaged one counts as none; without it everything is looked at again.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tydust_assetgen.disk import digest_bytes, write_atomic
from tydust_assetgen.version import VERSION

_MAGIC = f"assetgen hook 1, version {VERSION}"
_MOST = 100_000
"""Lines that are kept; the oldest go first."""


class Content(NamedTuple):
    """What a blob stands for."""

    digest: str
    """SHA-256."""
    size: int
    pointer: bool
    """It is a pointer of Git LFS: digest and size are those of the file that it points to."""


class Memory:
    """Digests and sizes of blobs, and what was found right."""

    def __init__(self, private: str) -> None:
        self._file = Path(private, "assetgen", "staged")
        self._lines = dict.fromkeys(_read(self._file))
        self._new: dict[str, None] = {}
        words = (line.split(" ") for line in self._lines)
        self._blobs = {
            word[1]: Content(word[2], int(word[3]), word[4] == "pointer") for word in words if word[0] == "blob"
        }

    def blob(self, name: str) -> Content | None:
        """What a blob stands for, if that is known."""
        return self._blobs.get(name)

    def keep_blob(self, name: str, found: Content) -> None:
        self._blobs[name] = found
        self._new[f"blob {name} {found.digest} {found.size} {'pointer' if found.pointer else 'file'}"] = None

    def knows(self, verdict: str) -> bool:
        """Whether just this was found right before."""
        return f"right {verdict}" in self._lines

    def keep(self, verdicts: Iterable[str]) -> None:
        self._new |= {line: None for verdict in verdicts if (line := f"right {verdict}") not in self._lines}

    def close(self) -> None:
        """Write down what is new."""
        if not self._new:
            return
        lines = [*self._lines, *self._new][-_MOST:]
        body = "\n".join(lines).encode()
        with contextlib.suppress(OSError):  # a read-only repository is only slower
            os.makedirs(self._file.parent, exist_ok=True)
            write_atomic(self._file, f"{_MAGIC}\n{digest_bytes(body)}\n".encode() + body, durable=False)


def _read(file: Path) -> list[str]:
    try:
        magic, digest, body = file.read_bytes().split(b"\n", 2)
    except (OSError, ValueError):
        return []
    right = magic == _MAGIC.encode() and digest == digest_bytes(body).encode()
    return body.decode().split("\n") if right else []
