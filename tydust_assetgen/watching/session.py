"""One watch: build, wait for a change, build again, until somebody ends it.

The workers stay from build to build, with all that they have loaded. A change while a build is at work is judged at
once: a manifest that is broken disturbs nobody; one that is right pauses the build, and the next one takes up the work
that is still wanted. What nobody wants any more is stopped.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from tydust_assetgen import events
from tydust_assetgen.building.build import build
from tydust_assetgen.building.messages import Job
from tydust_assetgen.building.pool import Pool
from tydust_assetgen.building.report import Options, Report
from tydust_assetgen.building.tasks import slots_of
from tydust_assetgen.errors import AssetgenError, Problem, UsageError
from tydust_assetgen.generate.registry import parameter_types
from tydust_assetgen.manifest import read_manifest
from tydust_assetgen.planning.plan import Snapshot
from tydust_assetgen.planning.snapshot import PlanRequest, observe_project
from tydust_assetgen.project.project import Project
from tydust_assetgen.project.state import NOTHING, Stat, read_state, stat_of
from tydust_assetgen.system import cores
from tydust_assetgen.watching.changes import ChangeDetector
from tydust_assetgen.watching.exec_hook import ExecHook
from tydust_assetgen.watching.fs_events import FileEvents

Until: TypeAlias = threading.Event | Callable[[], bool] | None


def watch(
    project: Project,
    options: Options | None = None,
    emit: events.Emit | None = None,
    *,
    until: Until = None,
    poll: bool = False,
    command: Sequence[str] = (),
) -> None:
    """Build, and build again whenever the manifest, a file that it names, or an output changes.

    Args:
        project: where.
        options: how; `slots`, `jobs` and what else each build is to be told. `force` and `picks` are not for watching.
        emit: called with each event, from several threads but never from two at once.
        until: ends the watch when it is set, or when it says so; it is asked four times a second. Without, only
            KeyboardInterrupt ends it.
        poll: look twice a second instead of listening to the system.
        command: an argument list to run, without a shell, for each published file, with `{slot}` and `{path}`.

    Raises:
        UsageError: `options` name a slot that there is not, or ask for what is not for watching.
        KeyboardInterrupt: all workers are ended, and what was done is kept.
        Exception: what `emit` raised.
    """
    options = options or Options()
    if options.force or options.picks:
        raise UsageError("`force` and `picks` are for one build", hint="call `build` for them")
    telling, failures = threading.Lock(), list[Exception]()

    def tell(event: events.Event) -> None:
        with telling:
            if emit is not None and not failures:
                try:
                    emit(event)
                except Exception as error:  # noqa: BLE001  it ends the watch, and is raised from there
                    failures.append(error)

    def over() -> bool:
        if failures:
            return True
        return until.is_set() if isinstance(until, threading.Event) else until is not None and until()

    def say_stopped(job: Job) -> None:
        for slot in slots_of(job):
            tell(events.Stopped(slot=slot))

    file_events = FileEvents(poll=poll)
    try:
        with (
            Pool(options.jobs or cores(), project.logs, say_stopped) as pool,
            ExecHook(tuple(command), project.root, tell) as exec_hook,
        ):
            _Session(project, options, tell, over, pool, exec_hook, ChangeDetector(project, file_events)).run()
    finally:
        file_events.close()
    if failures:
        raise failures[0]


@dataclass
class _Session:
    """One watch."""

    project: Project
    options: Options
    emit: events.Emit
    over: Callable[[], bool]
    pool: Pool
    exec_hook: ExecHook
    detector: ChangeDetector
    stats_after: dict[str, Stat] = field(default_factory=dict)
    """How all that is followed stood when the last build had ended, as far as that build knows."""
    stats_before: dict[str, Stat] = field(default_factory=dict)
    """How the inputs stood when the build under way, or the last edit, was looked at."""
    seen: Snapshot | None = None
    broken: tuple[Problem, ...] = ()
    polling: str | None = None

    def run(self) -> None:
        self.detector.follow((), ())
        self._say_watching()
        self._build(first=True)
        self.pool.warm()
        while changed := self.detector.wait(lambda: self.stats_after, self.over):
            self._say_watching()
            self._say_changed(changed)
            self._build()

    # one build

    def _build(self, *, first: bool = False) -> None:
        """Build once; and, where an edit paused it, again."""
        while True:
            self.pool.resume()
            self._note_inputs()
            before = self.detector.stats()
            ended = threading.Event()
            observer = threading.Thread(target=self._pause_on_edit, args=(ended,), daemon=True)
            observer.start()
            report: Report | None = None
            try:
                report = build(self.project, self.options, self._tell, self.pool, self._note_snapshot)
            except UsageError as error:
                if first:
                    raise
                self._say_broken(error.problems)
            except AssetgenError as error:
                self._say_broken(error.problems)
            except OSError as error:
                words = f"{error.strerror or error}" + (f": `{error.filename}`" if error.filename else "")
                self._say_broken((Problem(words, hint="is the disk full, or a folder read-only or gone?"),))
            finally:
                ended.set()
                self.detector.file_events.wake()
                observer.join()
                self.detector.file_events.wake()  # it took events of outputs, which only now are looked at
            if self.over():
                return
            self._settle(report, before)
            if not self.pool.paused:
                return
            first = False

    def _note_inputs(self) -> None:
        self.stats_before = {
            path: stat_of(path) for path in self.detector.inputs if path != str(self.project.lock_file)
        }

    def _note_snapshot(self, seen: Snapshot) -> None:
        """A build has looked: follow what it saw, and hold the inputs against what they were then."""
        self.seen, self.broken = seen, ()
        outputs = (self.project.root / path for path in seen.stats)
        self.detector.follow(seen.inputs.named, outputs)
        manifest = str(self.project.manifest)
        named = _absolute(self.project.root, seen.inputs.named)
        self.stats_before = {manifest: self.stats_before.get(manifest, stat_of(manifest)), **named}

    def _settle(self, report: Report | None, before: dict[str, Stat]) -> None:
        """What stands now is known, but for what has changed since the build looked or wrote."""
        if report is None or self.seen is None:
            self._follow_manifest_files()
            self.stats_after = dict.fromkeys(self.detector.stats(), NOTHING) | before
            return
        root, state = self.project.root, read_state(str(self.project.state))
        lock = str(self.project.lock_file)
        known = _absolute(root, {path: found for path, (found, _) in self.seen.stats.items()})
        written = _absolute(root, state.outputs) if state else {}
        self.stats_after = {
            **self.stats_before,
            lock: stat_of(lock),
            **known,
            **{p: s for p, s in written.items() if p in known},
        }
        if not self.pool.paused:
            self._tell(events.Idle(slots={result.slot: result.status for result in report.results}))

    def _follow_manifest_files(self) -> None:
        """No build has looked: follow at least the files that the manifest names, where it can be read so far. One
        that is there counts as changed, for it may have come after the build looked for it."""
        try:
            files = read_manifest(self.project.manifest, parameter_types()).files
        except AssetgenError:
            return
        self.detector.follow({*self.detector.inputs, *map(str, files)}, self.detector.outputs)

    # while it is under way

    def _pause_on_edit(self, ended: threading.Event) -> None:
        """While a build is under way, pause it for an edit whose manifest is right."""

        def over() -> bool:
            return ended.is_set() or self.over()

        while changed := self.detector.wait(lambda: self.stats_before, over):
            self._note_inputs()
            if self._is_right():
                self._say_changed(changed)
                return self.pool.pause()
        if not ended.is_set():
            self.pool.pause()
        return None

    def _is_right(self) -> bool:
        try:
            observe_project(self.project, PlanRequest(slots=self.options.slots, with_followed=True))
        except AssetgenError as error:
            self._say_broken(error.problems)
            return False
        except OSError:
            return True  # let the build say it
        return True

    # what is told

    def _tell(self, event: events.Event) -> None:
        self.emit(event)
        if isinstance(event, events.Done) and self.seen is not None:
            for path in event.paths:
                self.exec_hook.published(event.slot, self.seen.tree / path)

    def _say_watching(self) -> None:
        if self.polling != self.detector.file_events.polling_reason:
            self.polling = self.detector.file_events.polling_reason
            self._tell(events.Watching(manifest=str(self.project.manifest), polling=self.polling))

    def _say_changed(self, paths: Sequence[str]) -> None:
        self._tell(events.Changed(paths=tuple(_relative(path, self.project.root) for path in paths)))

    def _say_broken(self, problems: tuple[Problem, ...]) -> None:
        """Once, as long as it is the same."""
        if problems != self.broken:
            self.broken = problems
            for one in problems:
                self._tell(events.Broken(message=one.message, place=one.place, slot=one.slot, hint=one.hint))


def _absolute(root: Path, stats: dict[str, Stat]) -> dict[str, Stat]:
    return {os.path.abspath(root / path): found for path, found in stats.items()}


def _relative(path: str, root: Path) -> str:
    return Path(path).relative_to(root).as_posix() if Path(path).is_relative_to(root) else path
