"""Take selection: of several takes of a slot, the best one is published.

Each candidate comes from the store or is performed now, and is left in the store at once. All are finished as the slot
asks, because a seam or a lack of loudness shows only then, and scored. One that can't be made or finished is left out
and noted: it does not lose the others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import msgspec

from tydust_assetgen import finish
from tydust_assetgen.building.messages import TrackJob
from tydust_assetgen.building.references import shelf_of
from tydust_assetgen.errors import AssetgenError, GenerationError
from tydust_assetgen.flow import JudgedTake, Master, Scores, Take, TakeSelection
from tydust_assetgen.generate.protocol import MatchesText, Shelf
from tydust_assetgen.generate.registry import generator
from tydust_assetgen.project.seeds import candidate, seed_of
from tydust_assetgen.scoring import ranked, score
from tydust_assetgen.store import Store


@dataclass
class Performer:
    """The takes of one job, by their numbers."""

    job: TrackJob
    store: Store
    tell: Callable[[float, str], None]
    """Called with the share of generating that is done, and how it goes."""
    made: int = 0
    """How many takes were generated, in `seconds`."""
    seconds: float = 0.0

    def take(self, number: int) -> Take:
        """From the store, or performed now.

        Raises:
            AssetgenError: it can't be made.
        """
        if words := self.job.lost.get(number):
            raise GenerationError(words)
        key = self.job.keys.candidates[number - 1]
        if self.job.afresh != "take" and (held := self.store.take(key)) is not None:
            return held
        begun = time.perf_counter()
        take = self._perform(number)
        self.made, self.seconds = self.made + 1, self.seconds + time.perf_counter() - begun
        self.store.put_take(key, take)
        return take

    def _perform(self, number: int) -> Take:
        before, of = self.job.contenders.index(number), len(self.job.contenders)

        def progress(index: int, share: float, note: str = "") -> None:
            del index
            self.tell((before + share) / of, f"take {number} of {of}  {note}" if of > 1 else note)

        brief = candidate(self.job.recipe.brief, number)
        ((_, take),) = generator(brief.generator).generate([brief], self._shelf, progress)
        return take

    @cached_property
    def _shelf(self) -> Shelf:
        return shelf_of(self.job.shelf, self.store)


@dataclass(frozen=True)
class Chosen:
    """The take to publish; where it had to be finished to be judged, also its master."""

    take: Take
    master: Master | None = None


def choose(performer: Performer) -> Chosen:
    """The take that the job wants, kept under the slot's own take key.

    Raises:
        AssetgenError: none of the takes can be made.
    """
    job, store = performer.job, performer.store
    if not job.afresh and (held := store.take(job.keys.take)) is not None:
        return Chosen(held)
    if len(job.contenders) == 1:
        (number,) = job.contenders
        take = performer.take(number)
        if job.keys.candidates[number - 1] != job.keys.take:
            take = _as_chosen(take, number, ())
            store.put_take(job.keys.take, take)
        return Chosen(take)
    selector = _TakeSelector(performer)
    chosen = selector.best()
    store.put_take(job.keys.take, chosen.take)
    store.put_selection(job.keys.take, selector.selection)
    return chosen


@dataclass
class _TakeSelector:
    """Judges the takes of one job. Only the best one so far is kept in memory."""

    performer: Performer
    judged: list[JudgedTake] = field(default_factory=list)
    failures: list[AssetgenError] = field(default_factory=list)
    _best: tuple[int, Take, Master] | None = None

    def best(self) -> Chosen:
        for number in self.performer.job.contenders:
            try:
                self._judge(number)
            except AssetgenError as error:
                self.failures.append(error)
                self.judged.append(self._judged_take(number, trouble=error.problems[0].message))
        if self._best is None:
            raise self._none_left()
        number, take, master = self._best
        take = _as_chosen(take, number, tuple(self._notes(number)))
        notes = tuple(dict.fromkeys((*take.notes, *master.notes)))
        return Chosen(take, replace(master, provenance=take.provenance, notes=notes))

    @property
    def selection(self) -> TakeSelection:
        assert self._best is not None
        return TakeSelection(entrants=tuple(self.judged), chosen=self._best[0])

    def _judge(self, number: int) -> None:
        job = self.performer.job
        take = self.performer.take(number)
        master = finish.finish(take, job.recipe.finish)
        scores = score(take, master, job.recipe, self._text_match(master))
        best = self._scores_of(self._best[0]) if self._best else None
        if best is None or ranked([best, scores])[0] == 1:
            self._best = (number, take, master)
        self.judged.append(self._judged_take(number, scores))

    def _text_match(self, master: Master) -> float | None:
        brief = self.performer.job.recipe.brief
        made_by = generator(brief.generator)
        return made_by.text_match(master.audio, brief.prompt) if isinstance(made_by, MatchesText) else None

    def _judged_take(self, number: int, scores: Scores | None = None, trouble: str = "") -> JudgedTake:
        job = self.performer.job
        return JudgedTake(
            number=number,
            seed=seed_of(job.recipe.brief.seed, number),
            take_key=job.keys.candidates[number - 1],
            scores=scores,
            trouble=trouble,
        )

    def _scores_of(self, number: int) -> Scores | None:
        return next(one.scores for one in self.judged if one.number == number)

    def _notes(self, number: int) -> Iterator[str]:
        totals = {one.number: one.scores.total for one in self.judged if one.scores}
        others = [total for other, total in totals.items() if other != number]
        yield f"take {number} of {len(self.judged)} {_compared(totals[number], others)}"
        best = self._scores_of(number)
        if best and best.fault:
            yield f"no take is without a fault: {best.fault}"
        yield from (f"take {lost.number} could not be made: {lost.trouble}" for lost in self.judged if lost.trouble)

    def _none_left(self) -> AssetgenError:
        """What is wrong with the first is most likely wrong with all."""
        first = self.failures[0].problems[0]
        words = f"none of {len(self.judged)} takes could be made: {first.message}"
        return GenerationError(words, place=first.place, hint=first.hint)


def _compared(total: float, others: Iterable[float]) -> str:
    """What is recorded of the chosen take next to the others."""
    known = [f"{other:.2f}" for other in sorted(others)]
    if not known:
        return f"is left: {total:.2f}"
    if set(known) == {f"{total:.2f}"}:
        return f"is as good as the {'others' if len(known) > 1 else 'other'}: {total:.2f}"
    rest = f"the others {known[0]} to {known[-1]}" if len(known) > 1 else f"the other {known[0]}"
    return f"is the best: {total:.2f}, {rest}"


def _as_chosen(take: Take, number: int, notes: tuple[str, ...]) -> Take:
    provenance = msgspec.structs.replace(take.provenance, chosen=number)
    return Take(take.audio, take.facts, provenance, (*notes, *take.notes))
