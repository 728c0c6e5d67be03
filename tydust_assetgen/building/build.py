"""The corridor: the one module that knows the order of the rooms. In walks a `Project`, out walks a `Report`.

    survey -> plan -> (workers: generate -> finish -> encode -> verify) -> publish -> lock entry -> state

One track's failure never stops the others. The lock entry is written last, so a build that is killed at any moment
leaves whole files, entries that are true, and a store from which the next build goes on.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from tydust_assetgen import codec, events, system
from tydust_assetgen.building.commit import Endings, result_of, words_of
from tydust_assetgen.building.exports import remove_sidecars, write_companions
from tydust_assetgen.building.journal import Ledger
from tydust_assetgen.building.messages import Trouble
from tydust_assetgen.building.pool import Pool
from tydust_assetgen.building.preflight import cautions, find_damage, out_of_reach
from tydust_assetgen.building.publish import retract
from tydust_assetgen.building.report import Options, Report, Result
from tydust_assetgen.building.scheduler import Workshop
from tydust_assetgen.building.tasks import Order
from tydust_assetgen.flow import Facts, Provenance, Verified
from tydust_assetgen.generate.registry import generator
from tydust_assetgen.planning.estimate import Rates
from tydust_assetgen.planning.plan import Plan, Step
from tydust_assetgen.planning.survey import Survey, survey
from tydust_assetgen.project.project import Project
from tydust_assetgen.project.state import Stat, stat_of
from tydust_assetgen.system import cores

if TYPE_CHECKING:
    from tydust_assetgen.cache.session import Sharing


_MOMENT_S = 5.0
_FROZEN_HINT = "`assetgen build` where it can be made sends it to the cache; commit the lock file then"
_OFFLINE_HINT = "`assetgen build` on a machine that can make it sends it to the cache"


def build(
    project: Project,
    options: Options | None = None,
    emit: events.Emit | None = None,
    pool: Pool | None = None,
    on_survey: Callable[[Survey], None] = lambda _: None,
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
    begun = time.monotonic()

    def look() -> Survey:
        slots, picks = options.slots, options.picks
        seen = survey(project, slots=slots, force=options.force, thorough=options.prune, picks=picks, along=True)
        on_survey(seen)
        return seen

    def announce() -> None:
        tell(events.Waiting(message="another build is at work here, waiting for it"))

    marks = _marks(project)
    seen = look()

    with system.build_lock(project.private, wait=options.wait, on_wait=announce):
        if _marks(project) != marks:  # another build has been here meanwhile
            seen = look()
        shared = _sharing(seen, tell, pool)
        while (shared or options.frozen) and find_damage(seen.plan, project.store):
            seen = look()
        if shared is not None and shared.bring(seen.plan):
            seen = look()
        return _Build(seen, options, tell, begun, pool, shared).run()


def _sharing(seen: Survey, tell: events.Emit, pool: Pool | None) -> Sharing | None:
    """The caches that this build shares; nothing is loaded where there are none."""
    if not seen.manifest.cache.remotes and "ASSETGEN_CACHE_REMOTE" not in os.environ:
        return None
    from tydust_assetgen.cache.config import settings_of
    from tydust_assetgen.cache.session import Sharing

    settings = settings_of(seen.manifest.cache)
    resting = pool.resting if pool is not None else None
    return Sharing(seen.project, settings, tell, resting) if settings.remotes else None


def _marks(project: Project) -> tuple[Stat, ...]:
    return (stat_of(str(project.lock_file)), stat_of(str(project.state)))


@dataclass
class _Build:
    """One build under way, holding the build lock."""

    survey: Survey
    options: Options
    tell: events.Emit
    begun: float
    pool: Pool | None
    shared: Sharing | None = None

    def __post_init__(self) -> None:
        self.project = self.survey.project
        self.store = self.project.store
        self.rates = Rates(self.project.rates)
        self.ledger = Ledger(self.survey)
        self.endings = Endings(self.survey, self.ledger, self.tell)
        if self.shared is not None:
            self.endings.on_made = self.shared.made

    @property
    def plan(self) -> Plan:
        return self.survey.plan

    def run(self) -> Report:
        self._say_plan()
        try:
            self._work()
            self._prune()
            write_companions(self.survey, self.ledger, self.tell)
        finally:
            self.ledger.close()
            self.rates.save()
        self._send_the_rest()
        return self._report()

    # what is said before the work

    def _say_plan(self) -> None:
        for problem in self.survey.lock.problems:
            hint = "what the store still has is not made again"
            self.tell(events.Warned(message=problem, hint=hint))
        work = self.plan.work
        self.tell(
            events.Planned(
                slots=self.plan.settled + len(self.plan.steps),
                fresh=self.plan.fresh,
                work=len(work),
                estimate_s=self.rates.total_s(work, self._jobs()),
            )
        )
        for step in self.plan.steps:
            self._say_blocked(step)
        self._caution()

    def _caution(self) -> None:
        for words, slot in cautions(self.survey).items():
            self.tell(events.Warned(message=words, slot=slot))

    def _say_blocked(self, step: Step) -> None:
        blocked = [output.output.path for output in step.outputs if output.action == "blocked"]
        if not blocked:
            return
        hint = f"`assetgen adopt {step.slot}` keeps it, `assetgen build --force {step.slot}` makes it again"
        reasons = tuple(str(reason) for reason in step.reasons if reason.path in blocked or not reason.path)
        self.tell(events.Blocked(slot=step.slot, reasons=reasons, hint=hint))
        if step.action == "blocked":
            self.endings.results.append(result_of(step, "blocked", hint=hint))

    # the work

    def _work(self) -> None:
        steps = self.plan.work
        if self.options.frozen and self.plan.with_action("generate"):
            self._refuse_to_generate()
            steps = ()
        busy = self.pool is not None and self.pool.busy
        if not steps and not busy:
            return
        if not busy:  # with what an earlier build of a watch began
            self.store.sweep()
            folders = {(self.survey.tree / o.output.path).parent for s in steps for o in s.outputs}
            system.sweep_temporaries(folders | {self.project.root})
        found = [order for step in steps if (order := self._from_store(step)) is not None]
        orders = [order for order in self._within_reach(found) if not self._lacks(order)]
        if orders or busy:
            own = Pool(self._jobs(), self.project.logs) if self.pool is None else None
            with own or contextlib.nullcontext(self.pool) as pool:
                assert pool is not None
                Workshop(pool, self.endings, self.rates, orders).run(self.endings.failed)

    def _jobs(self) -> int:
        return self.options.jobs or cores()

    def _from_store(self, step: Step) -> Order | None:
        """Take from the store what it has. A slot that is then complete is published; else what is left is ordered."""
        order = Order(step, time.monotonic())
        for index, output in enumerate(step.outputs):
            if output.action == "make":
                order.missing.append(index)
            elif output.action == "restore":
                data = self.store.read_object(output.digest)
                if data is None:
                    order.missing.append(index)
                else:
                    verified = Verified(output=output.output, digest=output.digest, size=len(data), checks=())
                    order.ready.append(verified)
        known = self._known_facts(step)
        if order.missing or known is None:
            known_lost = [i for i, output in enumerate(step.outputs) if output.action in ("restore", "relock")]
            order.missing = order.missing or known_lost
            return order
        self.tell(events.Started(slot=step.slot, action=step.action, reasons=words_of(step)))
        if self.endings.finish(order, *known):
            self.endings.tally.restored += bool(order.ready)
        return None

    def _send_the_rest(self) -> None:
        """Whoever builds again soon does not wait: sending goes on beside the next build."""
        if self.shared is None:
            return
        if self.pool is None:
            self.shared.finish()
        else:
            self.shared.finish(0.0 if self.pool.paused else _MOMENT_S)

    def _refuse_to_generate(self) -> None:
        """With `frozen` a build changes nothing, unless it can be done without a generator."""
        for step in self.plan.with_action("generate"):
            words = "it would have to be generated, and the build is frozen"
            self.endings.fail(step, Trouble(message=words, hint=_FROZEN_HINT))

    def _within_reach(self, orders: list[Order]) -> list[Order]:
        """With `offline_ok`, what can't be made here is left out, and said."""
        lost = out_of_reach(orders) if self.options.offline_ok else {}
        for order in orders:
            if order.step.slot in lost:
                words = f"not made: {lost[order.step.slot]}; the store and the cache don't have it"
                self.endings.leave_out(order.step, words, _OFFLINE_HINT)
        return [order for order in orders if order.step.slot not in lost]

    def _lacks(self, order: Order) -> bool:
        """Fail a slot whose generator or encoder is not here, before minutes are spent on it."""
        step = order.step
        reasons = [codec.available(step.outputs[index].output.codec) for index in order.missing]
        if step.action == "generate":
            reasons.append(generator(step.recipe.brief.generator).available())
        lacking = next(filter(None, reasons), "")
        if lacking:
            self.endings.fail(step, Trouble(message=lacking, hint="`assetgen doctor` shows what is here"))
        return bool(lacking)

    def _known_facts(self, step: Step) -> tuple[Facts, Provenance] | None:
        """What the store, or else the lock, says about the performance."""
        for output in step.outputs:
            if (record := self.store.output(output.key)) is not None:
                return record.facts, record.provenance
        if step.entry and step.entry.master_key == step.keys.master:
            return step.entry.facts, step.entry.provenance
        return None

    # what comes last

    def _prune(self) -> None:
        kept: set[str] = set()
        for orphan in self.plan.orphans:
            removed = (
                self.options.prune
                and not orphan.modified
                and retract(self.survey.tree, orphan.path, digest=orphan.digest)
            )
            self.endings.tally.pruned += removed
            if removed:
                self.ledger.forget(orphan.slot, orphan.path)
            else:
                kept.add(orphan.slot)
            self.tell(events.Orphaned(slot=orphan.slot, path=orphan.path, removed=removed, modified=orphan.modified))
        if self.options.prune:
            self.endings.tally.pruned += remove_sidecars(self.survey, self.tell)
            gone = set(self.survey.lock.blocks) - set(self.survey.manifest.slots) - kept
            for slot in gone:
                self.ledger.drop(slot)

    def _report(self) -> Report:
        blocked = sum(any(output.action == "blocked" for output in step.outputs) for step in self.plan.steps)
        summary = events.Summary(
            **asdict(self.endings.tally),
            fresh=self.plan.fresh + sum(result.action == "relock" for result in self.endings.results),
            blocked=blocked,
            seconds=round(time.monotonic() - self.begun, 3),
        )
        if self.pool is None or not self.pool.paused:
            self.tell(summary)
        return Report(summary=summary, results=self._all_results())

    def _all_results(self) -> tuple[Result, ...]:
        """A result for each slot that was asked for, in the manifest's order."""
        found = {result.slot: result for result in self.endings.results}
        found |= {step.slot: result_of(step, "fresh") for step in self.plan.with_action("fresh")}
        for slot in self.survey.settled.keys() & set(self.survey.wanted):
            paths = tuple(path.removeprefix(self.survey.project_path("")) for path in self.survey.settled[slot])
            found[slot] = Result(slot=slot, status="fresh", action="fresh", paths=paths)
        return tuple(found[slot] for slot in self.survey.wanted if slot in found)
