"""Gives the jobs of a build to the workers in the right order, and takes their answers.

A slot that follows another one begins when that one is made. Takes are performed in batches where the generator likes
them; finishing, encoding and verifying a slot is a job of its own.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable

from tydust_assetgen import events
from tydust_assetgen.building.commit import ResultCommitter
from tydust_assetgen.building.messages import Answer, Failure, Job, Made, Performed, PerformJob, Progressed, TakeReady
from tydust_assetgen.building.pool import Pool
from tydust_assetgen.building.report import reasons_of
from tydust_assetgen.building.tasks import Entry, Task, WorkContext, jobs_for, perform_job, slots_of, track_job
from tydust_assetgen.planning.estimate import FINISHING, Rates, pieces, rate_name


class Scheduler:
    """Orders under way in one pool."""

    def __init__(self, pool: Pool, committer: ResultCommitter, rates: Rates, tasks: Iterable[Task]) -> None:
        self._pool, self._committer, self._rates = pool, committer, rates
        self._tasks = {task.step.slot: task for task in tasks}
        self._dependencies = DependencyQueue(self._tasks.values())
        root, tree = committer.project.root, committer.snapshot.tree
        self._context = WorkContext(committer.project.store.root, root, tree, committer.journal.entry)

    def run(self, failed: Iterable[str] = ()) -> None:
        """Work until every task has ended. Those that follow what has `failed` before fail with it."""
        for slot in failed:
            self._go_on(slot, made=False)
        self._submit(self._dependencies.begin())
        with contextlib.closing(self._pool.answers()) as answers:  # leaving early, as on Ctrl-C, ends who is at work
            for job, answer in answers:
                self._receive_answer(job, answer)

    def _submit(self, tasks: list[Task]) -> None:
        wanted = {key for task in tasks for key in task.wanted_takes}
        under_way = self._pool.take_up(wanted)
        for job in jobs_for(tasks, self._context, under_way):
            self._pool.submit(job)

    def _receive_answer(self, job: Job, answer: Answer) -> None:
        match answer:
            case Progressed():
                self._say_progress(job, answer)
            case Made():
                made = self._receive(self._tasks[answer.slot], answer)
                self._go_on(answer.slot, made=made)
            case TakeReady():
                assert isinstance(job, PerformJob)
                for task, number in self._entries(job, answer.index):
                    self._settle(task, number)
            case Performed():
                assert isinstance(job, PerformJob)
                self._rates.learn(rate_name(job.briefs[0]), sum(b.duration_s for b in job.briefs), answer.seconds)
                self._receive_batch_failure(job, Failure(message="the generator brought no take"))
            case Failure() if isinstance(job, PerformJob):
                self._receive_batch_failure(job, answer)
            case Failure():
                for slot in slots_of(job):
                    self._committer.fail(self._tasks[slot].step, answer)
                    self._go_on(slot, made=False)

    def _go_on(self, slot: str, *, made: bool) -> None:
        """A slot has ended: those that follow it begin, or fail with it."""
        if made:
            return self._submit(self._dependencies.made(slot))
        for task in self._dependencies.failed(slot):
            words = f"`{slot}`, which it follows, could not be made"
            self._committer.fail(task.step, Failure(message=words, hint="mend that one first"))
        return None

    def _say_progress(self, job: Job, answer: Progressed) -> None:
        for slot in (answer.slot,) if answer.slot else slots_of(job):
            if (task := self._tasks.get(slot)) is None:
                continue  # of a batch that was begun for an earlier build
            if answer.number and answer.number not in task.pending:
                continue  # an earlier build asked for another take of it
            if not task.started:
                task.started, task.begun = True, time.monotonic()
                estimate_s = self._rates.step_s(task.step)
                step = task.step
                self._committer.tell(
                    events.Started(slot=slot, action=step.action, reasons=reasons_of(step), estimate_s=estimate_s)
                )
            share = task.advance(answer.number, answer.share)
            self._committer.tell(events.Progressed(slot=slot, stage=answer.stage, share=share, note=answer.note))

    def _receive(self, task: Task, made: Made) -> bool:
        brief = task.step.recipe.brief
        self._rates.learn(rate_name(brief), brief.duration_s * made.generated, made.generate_s)
        self._rates.learn(FINISHING, brief.duration_s * pieces(task.step), made.finish_s)
        task.ready.extend(made.verified)
        published = self._committer.finish(task, made.facts, made.provenance, made.notes)
        if published:
            self._committer.tally.generated += bool(made.generated or task.performed)
            self._committer.tally.finished += made.finished
            self._committer.tally.encoded += 1
        return published

    def _receive_batch_failure(self, job: PerformJob, failure: Failure) -> None:
        """What was performed before is kept. What was not is lost; where it had others beside it, it is tried once
        more, alone."""
        for task, number in self._entries(job):
            if len(job.slots) > 1:
                self._pool.submit(perform_job([(task, number)], self._context))
            else:
                self._settle(task, number, failure)

    def _entries(self, job: PerformJob, index: int | None = None) -> list[Entry]:
        """The takes of a batch, or one of them, that are still waited for. A batch that was begun for an earlier build
        may have some that nobody asks for now."""
        ready = range(len(job.slots)) if index is None else (index,)
        own = {(job.slots[at], job.numbers[at]) for at in ready}
        keys = {job.take_keys[at] for at in ready}
        return [
            (task, number)
            for task in self._tasks.values()
            for number in sorted(task.pending)
            if task.step.keys.candidates[number - 1] in keys
            and (number in task.coming or (task.step.slot, number) in own)
        ]

    def _settle(self, task: Task, number: int, failure: Failure | None = None) -> None:
        """A take is performed, or lost. With the last one of a slot, what there is can be finished."""
        task.settle(number, failure)
        if not task.pending:
            self._after_batches(task)

    def _after_batches(self, task: Task) -> None:
        """All takes of a slot are performed or lost: finish what there is."""
        if len(task.lost) < len(task.takes):
            self._say_bugs(task)
            return self._pool.submit(track_job(task, self._context), first=True)
        self._committer.fail(task.step, next(iter(task.lost.values())))
        return self._go_on(task.step.slot, made=False)

    def _say_bugs(self, task: Task) -> None:
        for number, failure in task.lost.items():
            if hint := self._committer.bug_hint(failure):
                words = f"take {number} could not be made: {failure.message}"
                self._committer.tell(events.Warned(message=words, hint=hint, slot=task.step.slot))


class DependencyQueue:
    """Orders of which some follow others: they begin when what they follow is made."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        self._waiting = {task.step.slot: task for task in tasks}
        self._open = set(self._waiting)

    def begin(self) -> list[Task]:
        """Those that wait for nobody, each once."""
        ready = [task for task in self._waiting.values() if not task.follows & self._open]
        for task in ready:
            del self._waiting[task.step.slot]
        return ready

    def made(self, slot: str) -> list[Task]:
        """A slot is made: those that can begin now."""
        self._open.discard(slot)
        return self.begin()

    def failed(self, slot: str) -> list[Task]:
        """A slot failed: those that waited for it, one behind the other, and can never begin."""
        lost = [task for task in self._waiting.values() if slot in task.follows]
        for task in lost:
            del self._waiting[task.step.slot]
        return [*lost, *(further for task in lost for further in self.failed(task.step.slot))]
