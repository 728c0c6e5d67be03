"""A remote in a folder: a network drive, or a disk that several projects share."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from tydust_assetgen.remote import DistrustError, RemoteError
from tydust_assetgen.system.safe_folder import LinkError, SafeFolder

_MARK = "assetgen-cache.txt"
_MARK_TEXT = b"This folder is a cache of assetgen: it adds files here, and deletes what it left half written.\n"
_ABANDONED_S = 24 * 3600
"""A temporary file of this age belongs to nobody any more."""


class Directory:
    """Satisfies `Transport`. The folder must be there: where a drive is not mounted, nothing is written by mistake.

    A manifest may name any folder, so nothing is written before the first `put`, and nothing is ever deleted but our
    own temporary files, in a folder that an earlier `put` has marked.
    """

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise RemoteError("there is no such folder", "is it mounted? else make it once")
        self._folder = SafeFolder(Path(os.path.realpath(root)))
        self._lock = threading.Lock()
        self._prepared = False

    def get(self, name: str, max_bytes: int) -> bytes | None:
        try:
            data = self._folder.read(name, max_bytes)
        except LinkError as error:
            raise DistrustError(str(error.problems[0].message)) from error
        if data is None and self._folder.size(name) > max_bytes:
            raise DistrustError("it is larger than it should be")
        return data

    def has(self, name: str) -> bool:
        return self._folder.has(name)

    def put(self, name: str, data: bytes) -> None:
        """A temporary name of its own, also where many machines write at once, then a rename."""
        try:
            self._prepare()
            self._folder.write(name, data, by_way_of="tmp")
        except LinkError as error:
            raise DistrustError(str(error.problems[0].message)) from error

    def _prepare(self) -> None:
        """Once: mark the folder, or delete what was abandoned in one that is marked."""
        with self._lock:
            if self._prepared:
                return
            if self._folder.read(_MARK, len(_MARK_TEXT)) == _MARK_TEXT:
                self._folder.sweep("tmp", unused_s=_ABANDONED_S)
            else:
                self._folder.write(_MARK, _MARK_TEXT)
            self._prepared = True
