"""The corridor: the one module that knows the order of the rooms. In walks a `Project`, out walks a `Report`.

    survey -> plan -> (workers: generate -> finish -> encode -> verify) -> publish -> lock entry -> state

One track's failure never stops the others. The lock entry is written last, so a build that is killed at any moment
leaves whole files, entries that are true, and a store from which the next build goes on.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tydust_assetgen import codec, disk, events
from tydust_assetgen.errors import AssetgenError
from tydust_assetgen.estimate import FINISHING, Rates, pieces, rate_name
from tydust_assetgen.flow import Facts, Provenance, Published, Verified
from tydust_assetgen.generate.protocol import Shelf
from tydust_assetgen.generate.registry import generator
from tydust_assetgen.jobs import Answer, Job, Made, Performed, PerformJob, Progressed, Trouble
from tydust_assetgen.ledger import Ledger, entry_of
from tydust_assetgen.lineup import Lineup
from tydust_assetgen.orders import Bench, Order, jobs_for, perform_job, slots_of, track_job
from tydust_assetgen.outcome import Options, Report, Result
from tydust_assetgen.planning import Plan, Step
from tydust_assetgen.project import Project
from tydust_assetgen.publish import publish, retract
from tydust_assetgen.state import Stat, stat_of
from tydust_assetgen.survey import Survey, survey
from tydust_assetgen.workers import Pool


def build(
    project: Project,
    options: Options | None = None,
    emit: events.Emit | None = None,
    pool: Pool | None = None,
) -> Report:
    """Bring the asset tree to what the manifest asks for.

    Args:
        project: where.
        options: how.
        emit: called with each event.
        pool: workers to use and to keep; without, the build starts its own and ends them.

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
        return survey(project, slots=slots, force=options.force, thorough=options.prune, picks=picks)

    def announce() -> None:
        tell(events.Waiting(message="another build is at work here, waiting for it"))

    marks = _marks(project)
    seen = look()

    with disk.build_lock(project.private, wait=options.wait, on_wait=announce):
        if _marks(project) != marks:  # another build has been here meanwhile
            seen = look()
        return _Build(seen, options, tell, begun, pool).run()


def _marks(project: Project) -> tuple[Stat, ...]:
    return (stat_of(str(project.lock_file)), stat_of(str(project.state)))


@dataclass
class _Tally:
    """Numbers of slots, as the summary gives them."""

    generated: int = 0
    finished: int = 0
    encoded: int = 0
    restored: int = 0
    failed: int = 0
    pruned: int = 0


@dataclass
class _Build:
    """One build under way, holding the build lock."""

    survey: Survey
    options: Options
    tell: events.Emit
    begun: float
    pool: Pool | None
    tally: _Tally = field(default_factory=_Tally)
    results: list[Result] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.project = self.survey.project
        self.store = self.project.store
        self.rates = Rates(self.project.rates)
        self.ledger = Ledger(self.survey)
        self.lineup = Lineup(())
        self.bench = Bench(self.store.root, self.project.root, self.survey.tree, self.ledger.entry)

    @property
    def plan(self) -> Plan:
        return self.survey.plan

    def run(self) -> Report:
        self._say_plan()
        try:
            self._work()
            self._prune()
        finally:
            self.ledger.close()
            self.rates.save()
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
        """What a person should know before minutes are spent, each thing once."""
        said: dict[str, str] = {}
        for step in self.plan.with_action("generate"):
            brief = step.recipe.brief
            for words in generator(brief.generator).cautions(brief, Shelf(self.project.root)):
                said.setdefault(words, step.slot)
        for words, slot in said.items():
            self.tell(events.Warned(message=words, slot=slot))

    def _say_blocked(self, step: Step) -> None:
        blocked = [output.output.path for output in step.outputs if output.action == "blocked"]
        if not blocked:
            return
        hint = f"`assetgen adopt {step.slot}` keeps it, `assetgen build --force {step.slot}` makes it again"
        reasons = tuple(str(reason) for reason in step.reasons if reason.path in blocked or not reason.path)
        self.tell(events.Blocked(slot=step.slot, reasons=reasons, hint=hint))
        if step.action == "blocked":
            self.results.append(_result(step, "blocked", hint=hint))

    # the work

    def _work(self) -> None:
        steps = self.plan.work
        if not steps:
            return
        self.store.sweep()
        folders = {(self.survey.tree / o.output.path).parent for s in steps for o in s.outputs}
        disk.sweep_temporaries(folders | {self.project.root})
        found = [order for step in steps if (order := self._from_store(step)) is not None]
        orders = [order for order in found if not self._lacks(order)]
        if orders:
            own = Pool(self._jobs(), self.project.logs) if self.pool is None else None
            with own or contextlib.nullcontext(self.pool) as pool:
                assert pool is not None
                self._make(pool, orders)

    def _jobs(self) -> int:
        return self.options.jobs or os.cpu_count() or 1

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
        self.tell(events.Started(slot=step.slot, action=step.action, reasons=_words(step)))
        if self._finish_slot(order, *known):
            self.tally.restored += bool(order.ready)
        return None

    def _lacks(self, order: Order) -> bool:
        """Fail a slot whose generator or encoder is not here, before minutes are spent on it."""
        step = order.step
        reasons = [codec.available(step.outputs[index].output.codec) for index in order.missing]
        if step.action == "generate":
            reasons.append(generator(step.recipe.brief.generator).available())
        lacking = next(filter(None, reasons), "")
        if lacking:
            self._fail(step, Trouble(message=lacking, hint="`assetgen doctor` shows what is here"))
        return bool(lacking)

    def _known_facts(self, step: Step) -> tuple[Facts, Provenance] | None:
        """What the store, or else the lock, says about the performance."""
        for output in step.outputs:
            if (record := self.store.output(output.key)) is not None:
                return record.facts, record.provenance
        if step.entry and step.entry.master_key == step.keys.master:
            return step.entry.facts, step.entry.provenance
        return None

    def _make(self, pool: Pool, orders: list[Order]) -> None:
        by_slot = {order.step.slot: order for order in orders}
        self.lineup = Lineup(orders)
        self._submit(pool, self.lineup.begin())
        with contextlib.closing(pool.answers()) as answers:  # leaving early, as on Ctrl-C, ends who is at work
            for job, answer in answers:
                self._take_in(pool, by_slot, job, answer)

    def _submit(self, pool: Pool, orders: list[Order]) -> None:
        for job in jobs_for(orders, self.bench):
            pool.submit(job)

    def _take_in(self, pool: Pool, by_slot: dict[str, Order], job: Job, answer: Answer) -> None:
        match answer:
            case Progressed():
                self._say_progress(job, answer, by_slot)
            case Made():
                made = self._receive(by_slot[answer.slot], answer)
                self._go_on(pool, answer.slot, made=made)
            case Performed():
                assert isinstance(job, PerformJob)
                self.rates.learn(rate_name(job.briefs[0]), sum(b.duration_s for b in job.briefs), answer.seconds)
                self._receive_batch(pool, by_slot, job, None)
            case Trouble() if isinstance(job, PerformJob):
                self._receive_batch(pool, by_slot, job, answer)
            case Trouble():
                for slot in slots_of(job):
                    self._fail(by_slot[slot].step, answer)
                    self._go_on(pool, slot, made=False)

    def _go_on(self, pool: Pool, slot: str, *, made: bool) -> None:
        """A slot has ended: those that follow it begin, or fail with it."""
        if made:
            return self._submit(pool, self.lineup.made(slot))
        for order in self.lineup.failed(slot):
            words = f"`{slot}`, which it follows, could not be made"
            self._fail(order.step, Trouble(message=words, hint="mend that one first"))
        return None

    def _say_progress(self, job: Job, answer: Progressed, by_slot: dict[str, Order]) -> None:
        for slot in (answer.slot,) if answer.slot else slots_of(job):
            order = by_slot[slot]
            if not order.started:
                order.started, order.begun = True, time.monotonic()
                estimate_s = self.rates.step_s(order.step)
                step = order.step
                self.tell(events.Started(slot=slot, action=step.action, reasons=_words(step), estimate_s=estimate_s))
            share = order.advance(answer.number, answer.share)
            self.tell(events.Progressed(slot=slot, stage=answer.stage, share=share, note=answer.note))

    def _receive(self, order: Order, made: Made) -> bool:
        brief = order.step.recipe.brief
        self.rates.learn(rate_name(brief), brief.duration_s * made.generated, made.generate_s)
        self.rates.learn(FINISHING, brief.duration_s * pieces(order.step), made.finish_s)
        order.ready.extend(made.verified)
        published = self._finish_slot(order, made.facts, made.provenance, made.notes)
        if published:
            self.tally.generated += bool(made.generated or order.performed)
            self.tally.finished += made.finished
            self.tally.encoded += 1
        return published

    def _receive_batch(self, pool: Pool, by_slot: dict[str, Order], job: PerformJob, trouble: Trouble | None) -> None:
        """Takes are performed, or lost: then those that have others beside them are tried once more, each alone."""
        entries = [(by_slot[slot], number) for slot, number in zip(job.slots, job.numbers, strict=True)]
        for order, number in entries:
            if trouble and len(entries) > 1 and len(order.takes) > 1:
                pool.submit(perform_job([(order, number)], self.bench))
            else:
                order.settle(number, trouble)
        for slot in slots_of(job):
            if not by_slot[slot].pending:
                self._after_batches(pool, by_slot[slot])

    def _after_batches(self, pool: Pool, order: Order) -> None:
        """All takes of a slot are performed or lost: finish what there is."""
        if len(order.lost) < len(order.takes):
            self._say_bugs(order)
            return pool.submit(track_job(order, self.bench), first=True)
        self._fail(order.step, next(iter(order.lost.values())))
        return self._go_on(pool, order.step.slot, made=False)

    def _say_bugs(self, order: Order) -> None:
        for number, trouble in order.lost.items():
            if trouble.traceback:
                log = write_bug_log(self.project, trouble.traceback)
                hint = f"this is our own bug; its traceback is in `{log}`"
                words = f"take {number} could not be made: {trouble.message}"
                self.tell(events.Warned(message=words, hint=hint, slot=order.step.slot))

    # what every slot ends with

    def _finish_slot(self, order: Order, facts: Facts, provenance: Provenance, notes: tuple[str, ...] = ()) -> bool:
        """Publish what is ready, then write the lock entry. False when it failed."""
        step = order.step
        try:
            published = {verified.output.path: self._publish(step, verified) for verified in order.ready}
            entry = entry_of(step, published, facts, provenance)
            whole = all(output.action != "blocked" for output in step.outputs)
            paths = [output.output.path for output in step.outputs]
            self.ledger.record(entry, published, paths if whole else None)
        except AssetgenError as error:
            problem = error.problems[0]
            self._fail(step, Trouble(message=problem.message, hint=problem.hint, place=problem.place))
            return False
        except OSError as error:
            self._fail(step, Trouble(message=f"can't write: {error.strerror or error}", hint="is the disk full?"))
            return False
        seconds = time.monotonic() - order.begun
        self.tell(events.Done(slot=step.slot, action=step.action, paths=tuple(published), seconds=seconds, notes=notes))
        self.results.append(_result(step, "made" if step.action not in ("restore", "relock") else "restored"))
        return True

    def _publish(self, step: Step, verified: Verified) -> Published:
        data = self.store.read_object(verified.digest)
        if data is None:
            raise AssetgenError(f"the store lost `{verified.output.path}` before it was published", hint="build again")
        _, seen_digest = self.survey.stats[self.survey.project_path(verified.output.path)]
        self._keep_aside(step, verified.output.path, seen_digest)
        return publish(verified, data, self.survey.tree, seen_digest=seen_digest)

    def _keep_aside(self, step: Step, path: str, digest: str) -> None:
        """What is about to be written over, and is nowhere else, is kept: damaged or forced, nothing is ever lost."""
        locked = step.entry.output_at(path) if step.entry else None
        made_here = self.store.has_object(digest) or (locked and locked.digest == digest and not locked.hand_made)
        if made_here or not digest:
            return
        kept = self.store.keep_aside(Path(path).name, disk.inside(self.survey.tree, path).read_bytes())
        place = kept.relative_to(self.project.root).as_posix()
        self.tell(events.Warned(message=f"what stood at `{path}` is kept as `{place}`", slot=step.slot))

    def _fail(self, step: Step, trouble: Trouble) -> None:
        hint = trouble.hint
        if trouble.traceback:
            log = write_bug_log(self.project, trouble.traceback)
            hint = f"this is our own bug; its traceback is in `{log}`"
        self.tally.failed += 1
        place = trouble.place or step.recipe.place
        bug = bool(trouble.traceback)
        self.tell(events.Failed(slot=step.slot, message=trouble.message, hint=hint, place=place, bug=bug))
        self.results.append(_result(step, "failed", message=trouble.message, hint=hint, bug=bug))

    # what comes last

    def _prune(self) -> None:
        kept: set[str] = set()
        for orphan in self.plan.orphans:
            removed = (
                self.options.prune
                and not orphan.modified
                and retract(self.survey.tree, orphan.path, digest=orphan.digest)
            )
            self.tally.pruned += removed
            if removed:
                self.ledger.forget(orphan.slot, orphan.path)
            else:
                kept.add(orphan.slot)
            self.tell(events.Orphaned(slot=orphan.slot, path=orphan.path, removed=removed, modified=orphan.modified))
        if self.options.prune:
            gone = set(self.survey.lock.blocks) - set(self.survey.manifest.slots) - kept
            for slot in gone:
                self.ledger.drop(slot)

    def _report(self) -> Report:
        blocked = sum(any(output.action == "blocked" for output in step.outputs) for step in self.plan.steps)
        summary = events.Summary(
            **asdict(self.tally),
            fresh=self.plan.fresh + sum(result.action == "relock" for result in self.results),
            blocked=blocked,
            seconds=round(time.monotonic() - self.begun, 3),
        )
        self.tell(summary)
        return Report(summary=summary, results=self._all_results())

    def _all_results(self) -> tuple[Result, ...]:
        """A result for each slot that was asked for, in the manifest's order."""
        found = {result.slot: result for result in self.results}
        found |= {step.slot: _result(step, "fresh") for step in self.plan.with_action("fresh")}
        for slot in self.survey.settled.keys() & set(self.survey.wanted):
            paths = tuple(path.removeprefix(self.survey.project_path("")) for path in self.survey.settled[slot])
            found[slot] = Result(slot=slot, status="fresh", action="fresh", paths=paths)
        return tuple(found[slot] for slot in self.survey.wanted if slot in found)


def _words(step: Step) -> tuple[str, ...]:
    return tuple(map(str, step.reasons))


def _result(step: Step, status: str, *, message: str = "", hint: str = "", bug: bool = False) -> Result:
    paths = tuple(output.output.path for output in step.outputs)
    return Result(
        slot=step.slot,
        status=status,
        action=step.action,
        reasons=_words(step),
        paths=paths,
        message=message,
        hint=hint,
        bug=bug,
    )


def write_bug_log(project: Project, text: str) -> Path:
    """Keep a traceback where a person can find it; returns its place."""
    log = project.logs / "bug.log"
    disk.write_atomic(log, text.encode(), durable=False)
    return log
