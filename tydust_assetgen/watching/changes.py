"""What is followed, and when a change has settled. In walk stats of files as they were, out walk the paths that differ.

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
from tydust_assetgen.watching.fs_events import Ears

QUIET_S = 0.1
"""So long nothing may happen before a change counts."""
PATIENCE_S = 1.0
"""So long a person may go on changing things, or leave the manifest away or empty, before it counts all the same."""
TICK_S = 0.25
POLL_S = 0.5
GLANCE_S = 10.0
"""How often one looks where signs come: some get lost, and a look costs little."""
_SHARE_OF_TIME = 300
"""Looking takes at most this share of the time."""
_LATE_S = 1.0
"""A sign may come so long after what it is a sign of: one half of a move waits for the other."""

Stats = Mapping[str, Stat]
"""By absolute path."""


@dataclass
class Lookout:
    """Waits for changes of a project's files. `inputs` and `outputs` are absolute paths."""

    project: Project
    ears: Ears
    inputs: set[str] = field(default_factory=set)
    outputs: set[str] = field(default_factory=set)
    _tried: bool = False
    _looked_at: float = 0.0
    _every_s: float = POLL_S

    def follow(self, inputs: Iterable[Path | str], outputs: Iterable[Path | str]) -> None:
        """Follow these from now on, and the manifest and its lock file."""
        own = (self.project.manifest, self.project.lock_file)
        self.inputs = {os.path.abspath(path) for path in (*own, *inputs)}
        self.outputs = {os.path.abspath(path) for path in outputs}
        self.listen()

    def listen(self) -> None:
        """Listen where what is followed lies now, or would come back to."""
        files = self.inputs | self.outputs
        files |= {real for path in files if (real := os.path.realpath(path)) != path}  # of a link, both ends
        top = next((str(path) for path in self.project.root.parents if path.is_dir()), os.sep)
        folders = {folder for file in files for folder in _way_up(os.path.dirname(file), top)}
        names = {os.path.basename(path) for path in files | folders}
        probe = None if self._tried else self.project.root / f"{TEMPORARY_PREFIX}watch"
        self._tried = True
        self.ears.tune([folder for folder in folders if os.path.isdir(folder)], names, probe)

    def stats(self) -> dict[str, Stat]:
        """How all that is followed stands now."""
        return {path: stat_of(path) for path in sorted(self.inputs | self.outputs)}

    def wait(self, known: Callable[[], Stats], over: Callable[[], bool]) -> list[str]:
        """The paths that are no longer as `known` has them, once they have come to rest; empty when it is `over`."""
        while not over():
            signed = self._wait_for_a_sign()
            if signed is None:
                continue
            moved = self._moved(known()) and self._settled(known, over)
            if signed or moved:
                self.listen()  # folders may have gone and come
            if moved:
                self._doubt(signed, moved[0])
                return moved
        return []

    def _settled(self, known: Callable[[], Stats], over: Callable[[], bool]) -> list[str]:
        self._settle(over)
        return [] if over() else self._moved(known())

    def _doubt(self, signed: bool, path: str) -> None:
        """A change that was seen, and of which there was no sign, also not a late one: there will be none."""
        if signed or self.ears.deaf or time.monotonic() - self.ears.last_s < _LATE_S:
            return
        if not self.ears.touched.wait(_LATE_S):
            self.ears.go_deaf(f"`{os.path.basename(path)}` changed, and the system gave no sign")

    def _wait_for_a_sign(self) -> bool | None:
        """Whether one came; `None` when it is not even time to look."""
        if self.ears.touched.wait(TICK_S):
            self.ears.touched.clear()
            return True
        return False if time.monotonic() - self._looked_at >= self._every_s else None

    def _moved(self, known: Stats) -> list[str]:
        begun = time.monotonic()
        moved = [path for path, found in known.items() if stat_of(path) != found]
        self._looked_at = time.monotonic()
        usual_s = POLL_S if self.ears.deaf else GLANCE_S
        self._every_s = max(usual_s, _SHARE_OF_TIME * (self._looked_at - begun))
        return moved

    def _settle(self, over: Callable[[], bool]) -> None:
        """Wait until nothing has happened for a moment, but not for ever."""
        begun, before = time.monotonic(), self.stats()
        while not over() and time.monotonic() - begun < PATIENCE_S:
            heard = self.ears.touched.wait(QUIET_S)
            self.ears.touched.clear()
            now = self.stats()
            if not heard and now == before and not self._away(now):
                return
            before = now

    def _away(self, now: Stats) -> bool:
        """Whether the manifest is gone or empty, as it is for a moment while it is saved."""
        found = now[str(self.project.manifest)]
        return found == NOTHING or found[0] == 0


def _way_up(folder: str, top: str) -> Iterator[str]:
    """A folder and those around it, up to `top`: where it goes away and comes again, one of them tells."""
    while True:
        yield folder
        if folder == top or not folder.startswith(top):
            return
        folder = os.path.dirname(folder)
