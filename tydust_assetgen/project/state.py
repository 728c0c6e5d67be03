"""What the last build left behind, so that the next one can see at a glance that nothing is to do.

`.assetgen/NAME.state` has the digest of the manifest, the stat of every file that
matters, and for every fresh slot the fingerprint of what it was made from. This module is what a build with nothing
to do runs, so it imports almost nothing, parses nothing and asks the disk once for each file. The file is a cache:
when it is lost, damaged or from another version, everything is looked at again.

The layout is plain: a line with the digest of all that follows, lines of text (numbers of things, then paths), an
empty line, four 64-bit integers for each path, and lines of text that only a closer look reads. No pickle, no marshal.
"""

from __future__ import annotations

import os
import sys
from _blake2 import blake2b  # not hashlib: that loads OpenSSL, a tenth of the whole run
from collections.abc import Mapping
from os import stat
from stat import S_ISREG

from tydust_assetgen.version import VERSION

MAGIC = f"assetgen state 3, version {VERSION}, {sys.byteorder} endian"
NOTHING = (-1, -1, -1, -1)
_MAX_BYTES = 1 << 28
_UNWAITING = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_INODE = 2**63 - 1
"""Some file systems use all 64 bits of an inode's number."""

Stat = tuple[int, int, int, int]
"""Size, modification and change time in ns, inode, as in git's index. `NOTHING` for a file that is not there."""


class State:
    """What was true when the state was written.

    Attributes:
        manifest: digest of the manifest's bytes.
        complete: every slot of the manifest was fresh.
        watched: stats by path of what else must not change: the lock file, files that the manifest names, toolchain.
        outputs: stats by path, relative to the project; those of one slot stand together.
        known_outputs: stat and SHA-256 by output path.
        slots: for every fresh slot its fingerprint and its outputs.

    `known_outputs` and `slots` raise ValueError when that part of the file is damaged.
    """

    def __init__(self, lines: list[str], body: bytes) -> None:
        self.manifest = lines[0]
        self.complete = lines[1] == "complete"
        self.slot_count = int(lines[2])
        self._watched_count = int(lines[3])
        self._paths = lines[4:]
        split = 32 * len(self._paths)
        self._numbers: list[int] = memoryview(body)[:split].cast("q").tolist()
        self._rest = body[split:]
        self._lines: list[str] | None = None
        if len(self._numbers) != 4 * len(self._paths) or not 0 <= self._watched_count <= len(self._paths):
            raise ValueError("a state whose parts don't fit together")

    def watched_unchanged(self, root: str) -> bool:
        """Whether all that is not an output is as it was, and no other toolchain is looking."""
        numbers = self._numbers
        known = self._paths[: self._watched_count]
        return all(path in known for path in toolchain()) and all(
            stat_of(os.path.join(root, self._paths[index])) == tuple(numbers[4 * index : 4 * index + 4])
            for index in range(self._watched_count)
        )

    def outputs_unchanged(self, root: str) -> bool:
        """Whether every output is as it was. The hot loop of a build with nothing to do."""
        prefix = "" if root in ("", os.curdir) else os.path.join(root, "")
        paths = self._paths[self._watched_count :]
        names = [prefix + path for path in paths] if prefix else paths
        numbers = self._numbers[4 * self._watched_count :]
        try:
            for found, size, mtime_ns, ctime_ns, inode in zip(
                map(stat, names), numbers[0::4], numbers[1::4], numbers[2::4], numbers[3::4], strict=True
            ):
                if (
                    found.st_mtime_ns != mtime_ns
                    or found.st_size != size
                    or found.st_ctime_ns != ctime_ns
                    or (found.st_ino != inode and found.st_ino & _INODE != inode)
                ):
                    return False
        except (OSError, ValueError):
            return False
        return True

    @property
    def outputs(self) -> dict[str, Stat]:
        numbers = self._numbers[4 * self._watched_count :]
        quads = zip(numbers[0::4], numbers[1::4], numbers[2::4], numbers[3::4], strict=True)
        return dict(zip(self._paths[self._watched_count :], quads, strict=True))

    @property
    def known_outputs(self) -> dict[str, tuple[Stat, str]]:
        """Stat and SHA-256 of every output."""
        numbers = self._numbers[4 * self._watched_count :]
        quads = zip(numbers[0::4], numbers[1::4], numbers[2::4], numbers[3::4], strict=True)
        paths = self._paths[self._watched_count :]
        return dict(zip(paths, zip(quads, self._rest_lines[: len(paths)], strict=True), strict=True))

    @property
    def _rest_lines(self) -> list[str]:
        if self._lines is None:
            text = self._rest.decode("utf-8", "surrogateescape")
            self._lines = text.split("\n") if text else []
        return self._lines

    @property
    def slots(self) -> dict[str, tuple[str, list[str]]]:
        paths = iter(self._paths[self._watched_count :])
        slots = {}
        for line in self._rest_lines[len(self._paths) - self._watched_count :]:
            fingerprint, count, slot = line.split(" ", 2)
            slots[slot] = (fingerprint, [path for _, path in zip(range(int(count)), paths, strict=False)])
        return slots


def stat_of(path: str) -> Stat:
    """The stat of one file; `NOTHING` when it can't be had."""
    try:
        found = stat(path)
    except (OSError, ValueError):
        return NOTHING
    return (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino & _INODE)


def digest_of_manifest(data: bytes) -> str:
    """Digest of the manifest's bytes, to tell whether it changed since. A state has one of itself, too."""
    return blake2b(data, digest_size=16).hexdigest()


def toolchain() -> list[str]:
    """Folders whose stat changes when a package, and so perhaps a generator, is installed, upgraded or removed."""
    return [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]


def read_state(path: str) -> State | None:
    """The state at `path`, or `None` when there is none that this version can read."""
    try:
        head, _, data = read_plain_file(path).partition(b"\n")
        magic, _, digest = head.decode("ascii").rpartition(" ")
        if magic != MAGIC or digest != digest_of_manifest(data):
            return None
        text, _, body = data.partition(b"\n\n")
        return State(text.decode("utf-8", "surrogateescape").split("\n"), body)
    except (OSError, ValueError, IndexError, TypeError):
        return None


def read_plain_file(path: str, *, over_link: bool = False) -> bytes:
    """A file's content: neither of a pipe nor of a device, which might never end.

    Raises:
        OSError: it is none, or larger than a state or a manifest can be.
    """
    descriptor = os.open(path, os.O_RDONLY | _UNWAITING | (0 if over_link else _NO_LINK))
    with open(descriptor, "rb") as file:
        about = os.fstat(descriptor)
        if not S_ISREG(about.st_mode) or about.st_size > _MAX_BYTES:
            raise OSError
        return file.read(about.st_size)


def encode_state(
    manifest: str,
    *,
    slot_count: int,
    watched: Mapping[str, Stat],
    outputs: Mapping[str, tuple[Stat, str]],
    slots: Mapping[str, tuple[str, list[str]]],
) -> bytes:
    """The bytes of a state. `outputs` holds stat and digest by path; `slots` fingerprint and paths of fresh slots."""
    from struct import pack  # only those who write need it

    ordered = [path for _, paths in slots.values() for path in paths]
    lines = [
        manifest,
        "complete" if len(slots) == slot_count else "partial",
        str(slot_count),
        str(len(watched)),
        *watched,
        *ordered,
    ]
    rest = [
        *(outputs[path][1] for path in ordered),
        *(f"{fingerprint} {len(paths)} {slot}" for slot, (fingerprint, paths) in slots.items()),
    ]
    stats = [*watched.values(), *(outputs[path][0] for path in ordered)]
    numbers = pack(f"={4 * len(stats)}q", *(number for found in stats for number in found))
    text, tail = ("\n".join(part).encode("utf-8", "surrogateescape") for part in (lines, rest))
    data = text + b"\n\n" + numbers + tail
    return f"{MAGIC} {digest_of_manifest(data)}\n".encode() + data
