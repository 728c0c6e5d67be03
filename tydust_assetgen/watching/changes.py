"""Detects changes: which files are followed, and when a change of them has settled.

Editors save in several steps: they truncate and write, rename over, leave backup files. So a change counts when nothing
has happened for a moment, and what counts is how the files stand then, not what happened on the way.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tydust_assetgen.project.project import Project
from tydust_assetgen.project.state import NOTHING, Stat, stat_of
from tydust_assetgen.system import TEMPORARY_PREFIX
from tydust_assetgen.watching.fs_events import FileEvents

QUIET_S = 0.1
"""So long nothing may happen before a change counts."""
PATIENCE_S = 1.0
"""So long a person may go on changing things, or leave the manifest away or empty, before it counts all the same."""
TICK_S = 0.25
POLL_S = 0.5
SAFETY_POLL_S = 10.0
"""How often files are polled although events come: some events get lost, and polling costs little."""
_SHARE_OF_TIME = 300
"""Polling takes at most one part in so many of the time."""
_LATE_S = 1.0
"""An event may come so long after the change: one half of a move waits for the other."""

Stats = Mapping[str, Stat]
"""By absolute path."""


@dataclass
class ChangeDetector:
    """Waits for changes of a project's files. `inputs` and `outputs` are absolute paths."""

    project: Project
    file_events: FileEvents
    inputs: set[str] = field(default_factory=set)
    outputs: set[str] = field(default_factory=set)
    _probed: bool = False
    _polled_at_s: float = 0.0
    _every_s: float = POLL_S

    def follow(self, inputs: Iterable[Path | str], outputs: Iterable[Path | str]) -> None:
        """Follow these from now on, and the manifest and its lock file."""
        own = (self.project.manifest, self.project.lock_file)
        self.inputs = {os.path.abspath(path) for path in (*own, *inputs)}
        self.outputs = {os.path.abspath(path) for path in outputs}
        self.watch_folders()

    def watch_folders(self) -> None:
        """Have events of the folders in which the files lie now, or to which they would come back."""
        files = self.inputs | self.outputs
        files |= {real for path in files if (real := os.path.realpath(path)) != path}  # of a link, both ends
        top = next((str(path) for path in self.project.root.parents if path.is_dir()), os.sep)
        folders = {folder for file in files for folder in _folders_up_to(os.path.dirname(file), top)}
        names = {os.path.basename(path) for path in files | folders}
        probe = None if self._probed else self.project.root / f"{TEMPORARY_PREFIX}watch"
        self._probed = True
        self.file_events.watch_folders([folder for folder in folders if os.path.isdir(folder)], names, probe)

    def stats(self) -> dict[str, Stat]:
        """How all that is followed stands now."""
        return {path: stat_of(path) for path in sorted(self.inputs | self.outputs)}

    def wait(self, known: Callable[[], Stats], over: Callable[[], bool]) -> list[str]:
        """The paths that are no longer as `known` has them, once they have come to rest; empty when it is `over`."""
        while not over():
            had_event = self._wait_for_event()
            if had_event is None:
                continue
            changed = self._changed_paths(known()) and self._settled(known, over)
            if had_event or changed:
                self.watch_folders()  # folders may have gone and come
            if changed:
                self._poll_if_no_event(changed[0], had_event=had_event)
                return changed
        return []

    def _settled(self, known: Callable[[], Stats], over: Callable[[], bool]) -> list[str]:
        self._settle(over)
        return [] if over() else self._changed_paths(known())

    def _poll_if_no_event(self, path: str, *, had_event: bool) -> None:
        """A change of which there was no event, also not a late one: there will be none."""
        if had_event or self.file_events.polling_reason or time.monotonic() - self.file_events.last_event_s < _LATE_S:
            return
        if not self.file_events.changed.wait(_LATE_S):
            self.file_events.poll_instead(f"`{os.path.basename(path)}` changed, and the system gave no sign")

    def _wait_for_event(self) -> bool | None:
        """Whether one came; `None` when it is not even time to look."""
        if self.file_events.changed.wait(TICK_S):
            self.file_events.changed.clear()
            return True
        return False if time.monotonic() - self._polled_at_s >= self._every_s else None

    def _changed_paths(self, known: Stats) -> list[str]:
        begun = time.monotonic()
        changed = [path for path, found in known.items() if stat_of(path) != found]
        self._polled_at_s = time.monotonic()
        usual_s = POLL_S if self.file_events.polling_reason else SAFETY_POLL_S
        self._every_s = max(usual_s, _SHARE_OF_TIME * (self._polled_at_s - begun))
        return changed

    def _settle(self, over: Callable[[], bool]) -> None:
        """Wait until nothing has happened for a moment, but not for ever."""
        begun, before = time.monotonic(), self.stats()
        while not over() and time.monotonic() - begun < PATIENCE_S:
            had_event = self.file_events.changed.wait(QUIET_S)
            self.file_events.changed.clear()
            now = self.stats()
            if not had_event and now == before and not self._manifest_missing(now):
                return
            before = now

    def _manifest_missing(self, now: Stats) -> bool:
        """Whether the manifest is gone or empty, as it is for a moment while it is saved."""
        found = now[str(self.project.manifest)]
        return found == NOTHING or found[0] == 0


def _folders_up_to(folder: str, top: str) -> Iterator[str]:
    """A folder and those around it, up to `top`: where it goes away and comes again, one of them has an event."""
    while True:
        yield folder
        if folder == top or not folder.startswith(top):
            return
        folder = os.path.dirname(folder)
