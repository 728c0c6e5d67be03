"""Lists, exports and picks the takes of a slot.

A pick stands in the lock entry's brief and nowhere else. It makes the picked take's own key the slot's take key, so
the build takes it from the store like any other take.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import msgspec

from tydust_assetgen import events
from tydust_assetgen.building.build import build
from tydust_assetgen.building.pool import Pool
from tydust_assetgen.building.report import Options, Report
from tydust_assetgen.errors import AssetgenError
from tydust_assetgen.flow import JudgedTake, Output, Scores, Take
from tydust_assetgen.planning.plan import Step, plan
from tydust_assetgen.planning.snapshot import observe_project, one_slot
from tydust_assetgen.project.project import Project
from tydust_assetgen.project.seeds import seed_of
from tydust_assetgen.store import Store
from tydust_assetgen.system import write_atomic


class KnownTake(msgspec.Struct, frozen=True, kw_only=True):
    """What is known here of one take."""

    number: int
    seed: int
    take_key: str
    here: bool
    """The store has it."""
    best: bool
    """It came out best."""
    picked: bool
    """A person chose it."""
    scores: Scores | None
    trouble: str = ""
    """Why it could not be made, when the takes were judged."""


class KnownTakes(msgspec.Struct, frozen=True, kw_only=True):
    """All takes of a slot, in the order of their numbers."""

    slot: str
    published: int
    """The number of the one that is published; 0 when none is, or a person's own file."""
    takes: tuple[KnownTake, ...]


def takes_of(project: Project, slot: str) -> KnownTakes:
    """What is known here of a slot's takes. Writes nothing.

    Raises:
        ManifestError: the manifest is not right.
        UsageError: a slot that the manifest does not have.
    """
    step = _step(project, slot)
    selection = project.store.selection(_unpicked(project, step).keys.take)
    judged = {one.number: one for one in selection.entrants} if selection else {}
    best = selection.chosen if selection else 0 if step.recipe.brief.pick else step.published
    return KnownTakes(
        slot=slot,
        published=step.published,
        takes=tuple(_known(project.store, step, number, best, judged) for number in _numbers(step)),
    )


def _step(project: Project, slot: str, picks: Mapping[str, int] = MappingProxyType({})) -> Step:
    """What a build would do with one slot."""
    (step,) = plan(observe_project(project, one_slot(slot, picks))).steps
    return step


def _unpicked(project: Project, step: Step) -> Step:
    """The same slot as if no take were picked: its selection lies under the key that it has then."""
    if not step.recipe.brief.pick:
        return step
    return _step(project, step.slot, {step.slot: 0})


def _numbers(step: Step) -> range:
    return range(1, step.recipe.brief.takes + 1)


def _known(store: Store, step: Step, number: int, best: int, judged: dict[int, JudgedTake]) -> KnownTake:
    brief, key = step.recipe.brief, step.keys.candidates[number - 1]
    found = judged.get(number)
    return KnownTake(
        number=number,
        seed=seed_of(brief.seed, number),
        take_key=key,
        here=store.has("takes", key),
        best=number == best,
        picked=number == brief.pick,
        scores=found.scores if found else None,
        trouble=found.trouble if found else "",
    )


def pick(
    project: Project,
    slot: str,
    number: int,
    emit: events.Emit | None = None,
    pool: Pool | None = None,
) -> Report:
    """Publish one take of a slot, and keep to it; with 0 the best take is published again.

    Args:
        project: where.
        slot: whose takes.
        number: of the take, from 1.
        emit: called with each event of the build.
        pool: workers to use and to keep.

    Raises:
        UsageError: there is no such slot or take.
        AssetgenError: a file of the slot is in a person's hands; nothing was changed.
    """
    tell = emit or (lambda _: None)
    step = _step(project, slot, {slot: number})
    blocked = [output.output.path for output in step.outputs if output.action == "blocked"]
    if blocked:
        hint = f"`assetgen build --force {slot}` makes it again; then pick"
        raise AssetgenError(f"`{blocked[0]}` is in a person's hands, so no take is picked", slot=slot, hint=hint)
    if step.action == "generate":
        lost = ", ".join(f"take {lost}" for lost in step.perform)
        words = f"not in the store, and so generated again: {lost}"
        tell(events.Warned(message=words, slot=slot))
    return build(project, Options(slots=(slot,), picks={slot: number}), tell, pool)


def export(project: Project, slot: str, folder: Path) -> tuple[Path, ...]:
    """Write every take that is here as a WAV file, finished as its slot asks, to be listened to; returns their places.

    Raises:
        UsageError: a slot that the manifest does not have.
        AssetgenError: no take is here, or a file can't be written.
    """
    step = _step(project, slot)
    held = {number: project.store.take(step.keys.candidates[number - 1]) for number in _numbers(step)}
    places = tuple(_write(step, number, take, folder) for number, take in held.items() if take is not None)
    if not places:
        hint = f"`assetgen build --force {slot}` makes them again"
        raise AssetgenError("none of its takes is in the store", slot=slot, hint=hint)
    return places


def _write(step: Step, number: int, take: Take, folder: Path) -> Path:
    from tydust_assetgen.building.pipeline import tags_of
    from tydust_assetgen.codec import encode
    from tydust_assetgen.finish import finish

    place = folder / f"{Path(step.slot).stem}-take-{number}.wav"
    output = Output(path=place.name, codec="wav")
    master = finish(take, step.recipe.finish)
    data = encode(master, output, tags_of(step.recipe, master.provenance))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(place, data)
    except OSError as error:
        raise AssetgenError(f"can't write `{place}`: {error.strerror or error}") from error
    return place
