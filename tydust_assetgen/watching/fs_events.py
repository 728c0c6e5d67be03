"""File system events: the operating system tells that something in a folder may have changed.

An event is only a hint. Whoever gets one compares the files' stats, so that neither a wrong nor a double event does
harm. Where the system sends none (network drives, Windows folders under WSL), `polling_reason` says why, and the files
must be polled.
"""

from __future__ import annotations

import contextlib
import logging
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

logging.getLogger("watchdog").addHandler(logging.NullHandler())
"""What it logs, such as an event that comes after the end of a watch, is for programs that ask for logs."""

_PROBE_S = 1.0
_CHANGING = frozenset({"created", "modified", "moved", "deleted", "closed"})
"""Kinds of events after which a file may be another; opening and reading make events, too."""
_NETWORK = frozenset(
    {"9p", "drvfs", "nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "ceph", "glusterfs", "lustre"}
)
_NETWORK_PREFIXES = ("fuse.sshfs", "fuse.rclone", "fuse.s3fs", "fuse.vmhgfs", "vboxsf", "prl_fs", "virtiofs")
"""File systems that others change without this system being told."""
_MAX_FOLDERS = 48
"""Each folder costs a watch, and there are 128 for a person's whole session on an untuned Linux."""


class FileEvents(FileSystemEventHandler):
    """Events of some folders.

    Attributes:
        changed: set whenever something may have changed; whoever looks then clears it.
        polling_reason: why files must be polled; empty while the system sends events.
    """

    def __init__(self, *, poll: bool) -> None:
        self.changed = threading.Event()
        self.polling_reason = "`--poll` asks for it" if poll else ""
        self.last_event_s = 0.0
        """When the last event came, by the monotonic clock."""
        self._names: frozenset[str] = frozenset()
        self._folders: dict[str, tuple[int, int]] = {}
        self._folders_changed = False
        self._observer: Any = None

    def close(self) -> None:
        self._stop(self._observer)
        self._observer, self._folders = None, {}

    def wake(self) -> None:
        """Make whoever waits for an event look at once."""
        self.changed.set()

    def poll_instead(self, why: str) -> None:
        """No more events from now on: the files must be polled."""
        self.polling_reason = why
        self.close()

    def watch_folders(self, folders: Collection[str], names: Collection[str], probe: Path | None = None) -> None:
        """Watch these folders, for files and folders of these names. Call it again when folders went and came.

        Args:
            folders: those that are there.
            names: of files and folders, without their paths: whatever else happens in a folder wakes nobody.
            probe: a file to write, to find out whether events come at all.
        """
        self._names = frozenset(map(_folded, names))
        here = {folder: found for folder in folders if (found := _identity(folder)) is not None}
        if self.polling_reason or (here == self._folders and not self._folders_changed):
            return None
        why = _why_unwatchable(here)
        if why:
            return self.poll_instead(why)
        self._folders_changed, before = False, self._observer
        try:
            self._observer = self._start_observer(here)
        except Exception as error:  # noqa: BLE001  each system has its own; without events the files are polled
            self._observer = before
            return self.poll_instead(f"the system gives no signs here: {error}")
        self._folders = here
        self._stop(before)
        if probe is not None and not self._events_come(probe):
            self.poll_instead("the system gives no signs here")
        self.changed.set()  # what was missed before
        return None

    def _start_observer(self, folders: Collection[str]) -> Any:
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
        with contextlib.suppress(Exception):  # what it watched may be gone
            observer.stop()
            if observer.is_alive():
                observer.join(1.0)

    def _events_come(self, probe: Path) -> bool:
        """Whether a file that is written now makes an event."""
        names, self._names = self._names, frozenset({_folded(probe.name)})
        self.changed.clear()
        with contextlib.suppress(OSError):
            probe.write_bytes(b"")
            came = self.changed.wait(_PROBE_S)
            probe.unlink()
            self._names = names
            return came
        self._names = names
        return True  # a folder that can't be written is no reason to poll

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Called by the observer's thread."""
        if event.event_type not in _CHANGING:
            return
        names = {_folded(os.path.basename(os.fsdecode(path))) for path in (event.src_path, event.dest_path) if path}
        if not names & self._names:
            return
        if event.is_directory:
            self._folders_changed = self._folders_changed or event.event_type != "modified"
        self.last_event_s = time.monotonic()
        self.changed.set()


def _folded(name: str) -> str:
    """A name as all systems would give it: some fold letters, some take accents apart."""
    return unicodedata.normalize("NFC", name).casefold()


def _identity(folder: str) -> tuple[int, int] | None:
    try:
        found = os.stat(folder)
    except (OSError, ValueError):
        return None
    return (found.st_dev, found.st_ino)


def _why_unwatchable(folders: Collection[str]) -> str:
    """Why events would not come, as far as one can know before."""
    if len(folders) > _MAX_FOLDERS:
        return f"there are {len(folders)} folders to listen to"
    for folder in folders:
        kind = _file_system(folder)
        if kind in _NETWORK or kind.startswith(_NETWORK_PREFIXES):
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
