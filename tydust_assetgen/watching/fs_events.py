"""Who says that something may have changed. In walk folders, out walks a sign that something in them was touched.

A sign is only a hint: whoever gets one looks for himself, so that neither a wrong sign nor a double one does harm.
Where the system gives no signs (network drives, Windows folders under WSL), `deaf` says why, and one has to look now
and then.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
import unicodedata
from collections.abc import Collection
from pathlib import Path
from typing import Any

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

_PROBE_S = 1.0
_TOUCHING = frozenset({"created", "modified", "moved", "deleted", "closed"})
"""Kinds of events after which a file may be another; opening and reading make events, too."""
_FAR = frozenset({"9p", "drvfs", "nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "ceph", "glusterfs", "lustre"})
_FAR_PREFIXES = ("fuse.sshfs", "fuse.rclone", "fuse.s3fs", "fuse.vmhgfs", "vboxsf", "prl_fs", "virtiofs")
"""File systems that others change without this system being told."""
_MOST_FOLDERS = 48
"""Each folder costs a watch, and there are 128 for a person's whole session on an untuned Linux."""


class Ears(FileSystemEventHandler):
    """Listens to folders.

    Attributes:
        touched: set whenever something was touched; whoever heeds it clears it.
        deaf: why nothing is heard; empty while the system gives signs.
    """

    def __init__(self, *, poll: bool) -> None:
        self.touched = threading.Event()
        self.deaf = "`--poll` asks for it" if poll else ""
        self.last_s = 0.0
        """When the last sign came, by the monotonic clock."""
        self._names: frozenset[str] = frozenset()
        self._folders: dict[str, tuple[int, int]] = {}
        self._torn = False
        self._observer: Any = None

    def close(self) -> None:
        self._stop(self._observer)
        self._observer, self._folders = None, {}

    def wake(self) -> None:
        """Somebody wants to be heard at once."""
        self.touched.set()

    def go_deaf(self, why: str) -> None:
        """From now on one has to look."""
        self.deaf = why
        self.close()

    def tune(self, folders: Collection[str], names: Collection[str], probe: Path | None = None) -> None:
        """Listen to these folders, for files and folders of these names. Folders that went and came are heard again.

        Args:
            folders: those that are there.
            names: of files and folders, without their paths: whatever else happens in a folder wakes nobody.
            probe: a file to write, to try whether signs come at all.
        """
        self._names = frozenset(map(_plain, names))
        here = {folder: found for folder in folders if (found := _identity(folder)) is not None}
        if self.deaf or (here == self._folders and not self._torn):
            return None
        why = _unheard(here)
        if why:
            return self.go_deaf(why)
        self._torn, before = False, self._observer
        try:
            self._observer = self._listening(here)
        except Exception as error:  # noqa: BLE001  each system has its own; without ears one can still look
            self._observer = before
            return self.go_deaf(f"the system gives no signs here: {error}")
        self._folders = here
        self._stop(before)
        if probe is not None and not self._hears(probe):
            self.go_deaf("the system gives no signs here")
        self.touched.set()  # what was missed before
        return None

    def _listening(self, folders: Collection[str]) -> Any:
        observer = Observer()
        try:
            for folder in folders:
                observer.schedule(self, folder)
            observer.start()
        except BaseException:
            self._stop(observer)
            raise
        return observer

    def _stop(self, observer: Any) -> None:
        if observer is None:
            return
        with contextlib.suppress(Exception):  # what it listened to may be gone
            observer.stop()
            if observer.is_alive():
                observer.join(1.0)

    def _hears(self, probe: Path) -> bool:
        """Whether a file that is written now makes a sign."""
        names, self._names = self._names, frozenset({_plain(probe.name)})
        self.touched.clear()
        with contextlib.suppress(OSError):
            probe.write_bytes(b"")
            heard = self.touched.wait(_PROBE_S)
            probe.unlink()
            self._names = names
            return heard
        self._names = names
        return True  # a folder that can't be written is no reason to look all the time

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Called by the observer's thread."""
        if event.event_type not in _TOUCHING:
            return
        names = {_plain(os.path.basename(os.fsdecode(path))) for path in (event.src_path, event.dest_path) if path}
        if not names & self._names:
            return
        if event.is_directory:
            self._torn = self._torn or event.event_type != "modified"
        self.last_s = time.monotonic()
        self.touched.set()


def _plain(name: str) -> str:
    """A name as all systems would give it: some fold letters, some take accents apart."""
    return unicodedata.normalize("NFC", name).casefold()


def _identity(folder: str) -> tuple[int, int] | None:
    try:
        found = os.stat(folder)
    except (OSError, ValueError):
        return None
    return (found.st_dev, found.st_ino)


def _unheard(folders: Collection[str]) -> str:
    """Why signs would not come, as far as one can know before."""
    if len(folders) > _MOST_FOLDERS:
        return f"there are {len(folders)} folders to listen to"
    for folder in folders:
        kind = _file_system(folder)
        if kind in _FAR or kind.startswith(_FAR_PREFIXES):
            return f"`{folder}` is on a drive ({kind}) that others change unheard"
    return ""


def _file_system(folder: str) -> str:
    """Its kind, by the longest mount point that leads to it; empty where the system does not say."""
    if sys.platform != "linux":
        return ""
    best, kind = "", ""
    with contextlib.suppress(OSError), open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as file:
        real = os.path.realpath(folder)
        for line in file:
            _, place, found = line.split(" ", 3)[:3]
            place = place.replace("\\040", " ")
            if len(place) >= len(best) and (real == place or real.startswith(place.rstrip("/") + "/")):
                best, kind = place, found
    return kind
