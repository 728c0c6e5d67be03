"""The workers' half of a build. In walk orders, jobs go out to the pool, and every order ends in `Endings`.

Slots that follow another begin when that one is made. Takes are performed in batches where the generator likes them;
the rest of each walk is a job of its own.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable

from tydust_assetgen import events
from tydust_assetgen.building.commit import Endings, words_of
from tydust_assetgen.building.messages import Answer, Job, Made, Performed, PerformJob, Progressed, TakeReady, Trouble
from tydust_assetgen.building.pool import Pool
from tydust_assetgen.building.tasks import Bench, Entry, Order, jobs_for, perform_job, slots_of, track_job
from tydust_assetgen.planning.estimate import FINISHING, Rates, pieces, rate_name


class Workshop:
    """Orders under way in one pool."""

    def __init__(self, pool: Pool, endings: Endings, rates: Rates, orders: Iterable[Order]) -> None:
        self._pool, self._endings, self._rates = pool, endings, rates
        self._orders = {order.step.slot: order for order in orders}
        self._lineup = Lineup(self._orders.values())
        survey, root = endings.survey, endings.project.root
        self._bench = Bench(endings.project.store.root, root, survey.tree, endings.ledger.entry)

    def run(self, failed: Iterable[str] = ()) -> None:
        """Work until every order has ended. Those that follow what has `failed` before fail with it."""
        for slot in failed:
            self._go_on(slot, made=False)
        self._submit(self._lineup.begin())
        with contextlib.closing(self._pool.answers()) as answers:  # leaving early, as on Ctrl-C, ends who is at work
            for job, answer in answers:
                self._take_in(job, answer)

    def _submit(self, orders: list[Order]) -> None:
        wanted = {key for order in orders for key in order.wanted_takes}
        under_way = self._pool.take_up(wanted)
        for job in jobs_for(orders, self._bench, under_way):
            self._pool.submit(job)

    def _take_in(self, job: Job, answer: Answer) -> None:
        match answer:
            case Progressed():
                self._say_progress(job, answer)
            case Made():
                made = self._receive(self._orders[answer.slot], answer)
                self._go_on(answer.slot, made=made)
            case TakeReady():
                assert isinstance(job, PerformJob)
                for order, number in self._entries(job, answer.index):
                    self._settle(order, number)
            case Performed():
                assert isinstance(job, PerformJob)
                self._rates.learn(rate_name(job.briefs[0]), sum(b.duration_s for b in job.briefs), answer.seconds)
                self._receive_batch_trouble(job, Trouble(message="the generator brought no take"))
            case Trouble() if isinstance(job, PerformJob):
                self._receive_batch_trouble(job, answer)
            case Trouble():
                for slot in slots_of(job):
                    self._endings.fail(self._orders[slot].step, answer)
                    self._go_on(slot, made=False)

    def _go_on(self, slot: str, *, made: bool) -> None:
        """A slot has ended: those that follow it begin, or fail with it."""
        if made:
            return self._submit(self._lineup.made(slot))
        for order in self._lineup.failed(slot):
            words = f"`{slot}`, which it follows, could not be made"
            self._endings.fail(order.step, Trouble(message=words, hint="mend that one first"))
        return None

    def _say_progress(self, job: Job, answer: Progressed) -> None:
        for slot in (answer.slot,) if answer.slot else slots_of(job):
            if (order := self._orders.get(slot)) is None:
                continue  # of a batch that was begun for an earlier build
            if answer.number and answer.number not in order.pending:
                continue  # an earlier build asked for another take of it
            if not order.started:
                order.started, order.begun = True, time.monotonic()
                estimate_s = self._rates.step_s(order.step)
                step = order.step
                self._endings.tell(
                    events.Started(slot=slot, action=step.action, reasons=words_of(step), estimate_s=estimate_s)
                )
            share = order.advance(answer.number, answer.share)
            self._endings.tell(events.Progressed(slot=slot, stage=answer.stage, share=share, note=answer.note))

    def _receive(self, order: Order, made: Made) -> bool:
        brief = order.step.recipe.brief
        self._rates.learn(rate_name(brief), brief.duration_s * made.generated, made.generate_s)
        self._rates.learn(FINISHING, brief.duration_s * pieces(order.step), made.finish_s)
        order.ready.extend(made.verified)
        published = self._endings.finish(order, made.facts, made.provenance, made.notes)
        if published:
            self._endings.tally.generated += bool(made.generated or order.performed)
            self._endings.tally.finished += made.finished
            self._endings.tally.encoded += 1
        return published

    def _receive_batch_trouble(self, job: PerformJob, trouble: Trouble) -> None:
        """What was performed before is kept. What was not is lost; where it had others beside it, it is tried once
        more, alone."""
        for order, number in self._entries(job):
            if len(job.slots) > 1:
                self._pool.submit(perform_job([(order, number)], self._bench))
            else:
                self._settle(order, number, trouble)

    def _entries(self, job: PerformJob, index: int | None = None) -> list[Entry]:
        """The takes of a batch, or one of them, that are still waited for. A batch that was begun for an earlier build
        may have some that nobody asks for now."""
        ready = range(len(job.slots)) if index is None else (index,)
        own = {(job.slots[at], job.numbers[at]) for at in ready}
        keys = {job.take_keys[at] for at in ready}
        return [
            (order, number)
            for order in self._orders.values()
            for number in sorted(order.pending)
            if order.step.keys.candidates[number - 1] in keys
            and (number in order.coming or (order.step.slot, number) in own)
        ]

    def _settle(self, order: Order, number: int, trouble: Trouble | None = None) -> None:
        """A take is performed, or lost. With the last one of a slot, what there is can be finished."""
        order.settle(number, trouble)
        if not order.pending:
            self._after_batches(order)

    def _after_batches(self, order: Order) -> None:
        """All takes of a slot are performed or lost: finish what there is."""
        if len(order.lost) < len(order.takes):
            self._say_bugs(order)
            return self._pool.submit(track_job(order, self._bench), first=True)
        self._endings.fail(order.step, next(iter(order.lost.values())))
        return self._go_on(order.step.slot, made=False)

    def _say_bugs(self, order: Order) -> None:
        for number, trouble in order.lost.items():
            if hint := self._endings.bug_hint(trouble):
                words = f"take {number} could not be made: {trouble.message}"
                self._endings.tell(events.Warned(message=words, hint=hint, slot=order.step.slot))


class Lineup:
    """Orders of which some follow others: they begin when what they follow is made."""

    def __init__(self, orders: Iterable[Order]) -> None:
        self._waiting = {order.step.slot: order for order in orders}
        self._open = set(self._waiting)

    def begin(self) -> list[Order]:
        """Those that wait for nobody, each once."""
        ready = [order for order in self._waiting.values() if not order.follows & self._open]
        for order in ready:
            del self._waiting[order.step.slot]
        return ready

    def made(self, slot: str) -> list[Order]:
        """A slot is made: those that can begin now."""
        self._open.discard(slot)
        return self.begin()

    def failed(self, slot: str) -> list[Order]:
        """A slot failed: those that waited for it, one behind the other, and can never begin."""
        lost = [order for order in self._waiting.values() if slot in order.follows]
        for order in lost:
            del self._waiting[order.step.slot]
        return [*lost, *(further for order in lost for further in self.failed(order.step.slot))]
