"""A remote in a folder: a network drive, or a disk that several projects share."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from pathlib import Path

from tydust_assetgen.remote import DistrustError, RemoteError
from tydust_assetgen.system import remove

_ABANDONED_S = 24 * 3600
"""A temporary file of this age belongs to nobody any more."""


class Directory:
    """Satisfies `Transport`. The folder must be there: where a drive is not mounted, nothing is written by mistake."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._count = 0
        self._lock = threading.Lock()
        if not root.is_dir():
            raise RemoteError("there is no such folder", "is it mounted? else make it once")
        self._sweep()

    def get(self, name: str, max_bytes: int) -> bytes | None:
        try:
            with open(self._root / name, "rb") as file:
                data = file.read(max_bytes + 1)
        except FileNotFoundError:
            return None
        if len(data) > max_bytes:
            raise DistrustError("it is larger than it should be")
        return data

    def has(self, name: str) -> bool:
        return (self._root / name).is_file()

    def put(self, name: str, data: bytes) -> None:
        """A temporary name of its own, also where many machines write at once, then a rename."""
        path, temporary = self._root / name, self._temporary()
        path.parent.mkdir(exist_ok=True)
        temporary.parent.mkdir(exist_ok=True)
        try:
            temporary.write_bytes(data)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                remove(temporary)
            raise

    def _temporary(self) -> Path:
        with self._lock:
            self._count += 1
        return self._root / "tmp" / f"{os.urandom(8).hex()}-{self._count}"

    def _sweep(self) -> None:
        """What killed processes left behind goes after a day."""
        with contextlib.suppress(OSError):
            for entry in os.scandir(self._root / "tmp"):
                if time.time() - entry.stat().st_mtime > _ABANDONED_S:
                    remove(Path(entry.path))
