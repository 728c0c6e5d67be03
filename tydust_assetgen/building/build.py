"""One build from start to end. This is the module that knows the order of the stages.

    snapshot -> plan -> restore -> execute (workers: generate, finish, encode, verify) -> prune -> exports -> report

One track's failure never stops the others. The lock entry is written last, so a build that is killed at any moment
leaves whole files, entries that are true, and a store from which the next build goes on.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tydust_assetgen import events
from tydust_assetgen.building.commit import ResultCommitter
from tydust_assetgen.building.execute import execute
from tydust_assetgen.building.journal import BuildJournal
from tydust_assetgen.building.lock import locked
from tydust_assetgen.building.pool import Pool
from tydust_assetgen.building.preflight import announce_plan, find_damage, steps_to_do
from tydust_assetgen.building.prune import prune
from tydust_assetgen.building.report import Options, Report, report_of
from tydust_assetgen.building.restore import restore
from tydust_assetgen.building.write_exports import write_exports
from tydust_assetgen.planning.estimate import Rates
from tydust_assetgen.planning.plan import Plan, Snapshot, plan
from tydust_assetgen.planning.snapshot import PlanRequest, observe_project
from tydust_assetgen.project.project import Project
from tydust_assetgen.project.state import Stat, stat_of
from tydust_assetgen.system import cores

if TYPE_CHECKING:
    from tydust_assetgen.cache.session import CacheSession

_SENDING_S = 5.0
"""A build that is followed by another waits so long for uploads; they go on beside the next one."""


def build(
    project: Project,
    options: Options | None = None,
    emit: events.Emit | None = None,
    pool: Pool | None = None,
    on_survey: Callable[[Snapshot], None] = lambda _: None,
) -> Report:
    """Bring the asset tree to what the manifest asks for.

    Args:
        project: where.
        options: how.
        emit: called with each event.
        pool: workers to use and to keep; without, the build starts its own and ends them. Where it is paused meanwhile,
            the build ends without a summary, and what is under way goes on for the next build with this pool.
        on_survey: called with what was seen, before anything is done.

    Raises:
        ManifestError: the manifest is not right. Nothing on the disk was changed.
        UsageError: `options` name a slot or a take that there is not.
        BusyError: another build is at work and `options.wait` is false.
        KeyboardInterrupt: what was done before is kept.
    """
    options, tell = options or Options(), emit or (lambda _: None)
    started_s = time.monotonic()

    def look() -> tuple[Snapshot, Plan]:
        snapshot = observe_project(project, _request(options), on_edited=workers.warm)
        on_survey(snapshot)
        return snapshot, plan(snapshot)

    def announce_waiting() -> None:
        tell(events.Waiting(message="another build is at work here, waiting for it"))

    with contextlib.ExitStack() as stack:
        workers = pool or stack.enter_context(Pool(options.jobs or cores(), project.logs))
        before = _stats(project)
        snapshot, todo = look()
        with locked(project, wait=options.wait, on_wait=announce_waiting):
            if _stats(project) != before:  # another build has been here meanwhile
                snapshot, todo = look()
            cache = _cache_session(snapshot, tell, workers)
            while (cache or options.frozen) and find_damage(todo, project.store):
                snapshot, todo = look()
            if cache is not None and cache.download(todo):
                snapshot, todo = look()
            stages = _Build(snapshot, todo, options, tell, started_s, workers, cache)
            return stages.run(last=pool is None)


def _request(options: Options) -> PlanRequest:
    return PlanRequest(
        slots=options.slots, force=options.force, thorough=options.prune, picks=options.picks, with_followed=True
    )


def _stats(project: Project) -> tuple[Stat, ...]:
    """Of the two files that every build writes."""
    return (stat_of(str(project.lock_file)), stat_of(str(project.state)))


def _cache_session(snapshot: Snapshot, tell: events.Emit, workers: Pool) -> CacheSession | None:
    """The caches that this build shares; nothing is loaded where there are none."""
    if not snapshot.manifest.cache.remotes and "ASSETGEN_CACHE_REMOTE" not in os.environ:
        return None
    from tydust_assetgen.cache.config import settings_of
    from tydust_assetgen.cache.session import CacheSession

    settings = settings_of(snapshot.manifest.cache)
    return CacheSession(snapshot.project, settings, tell, workers.resting) if settings.remotes else None


@dataclass(frozen=True)
class _Build:
    """One build under way, holding the build lock."""

    snapshot: Snapshot
    plan: Plan
    options: Options
    tell: events.Emit
    started_s: float
    workers: Pool
    cache: CacheSession | None

    def run(self, *, last: bool) -> Report:
        """Do what the plan says. What was done is written down, also where this is interrupted.

        Args:
            last: no other build follows with these workers, so that it is worth while to wait for uploads.
        """
        snapshot, options = self.snapshot, self.options
        rates, journal = Rates(snapshot.project.rates), BuildJournal(snapshot, self.plan)
        committer = ResultCommitter(snapshot, self.plan, journal, self.tell)
        if self.cache is not None:
            committer.on_made = self.cache.upload
        announce_plan(committer, rates, options.jobs or cores(), frozen=options.frozen)
        try:
            self._work(committer, rates)
            prune(committer, remove=options.prune)
            write_exports(snapshot, journal, self.tell)
        finally:
            journal.close()
            rates.save()
        if self.cache is not None:
            self.cache.finish(None if last else 0.0 if self.workers.paused else _SENDING_S)
        report = report_of(snapshot, self.plan, committer.tally, committer.results, time.monotonic() - self.started_s)
        if not self.workers.paused:
            self.tell(report.summary)
        return report

    def _work(self, committer: ResultCommitter, rates: Rates) -> None:
        steps = steps_to_do(committer, frozen=self.options.frozen)
        busy = self.workers.busy  # with what an earlier build of a watch began
        if steps or busy:
            tasks = restore(steps, committer, sweep=not busy)
            execute(tasks, committer, rates, self.workers, offline_ok=self.options.offline_ok)
