"""What can be made on this machine, and what the store really has of it. In walk orders, out walk those that can't be
made, and why.

With `offline_ok`, as on a CI machine without a GPU, nothing is begun that wants one: it would take hours on a CPU.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from tydust_assetgen.building.tasks import Order
from tydust_assetgen.generate.protocol import Shelf
from tydust_assetgen.generate.registry import generator
from tydust_assetgen.planning.plan import Plan, Step
from tydust_assetgen.planning.survey import Survey
from tydust_assetgen.store import Store, digest_in


def out_of_reach(orders: Iterable[Order]) -> dict[str, str]:
    """Slots that can't be made here, and why; those that follow one of them can't be either."""
    found: dict[str, str] = {}
    waiting = list(orders)
    for order in waiting:
        if order.step.action == "generate" and (why := _why(order.step.recipe.brief.generator)):
            found[order.step.slot] = why
    while more := {order.step.slot: lost for order in waiting if (lost := _lost(order, found))}:
        found |= {slot: f"`{heard}`, which it follows, is not here" for slot, heard in more.items()}
    return found


def _lost(order: Order, found: Mapping[str, str]) -> str:
    """A slot that it follows and that is out of reach; empty where there is none, or where that is known already."""
    heard = sorted(order.follows & found.keys())
    return heard[0] if heard and order.step.slot not in found else ""


def find_damage(plan: Plan, store: Store) -> bool:
    """Whether content that a plan counts on is damaged. It is set aside then, and the next plan knows."""
    found = [store.read_object(digest) is None for step in plan.work for digest in _counted_on(step, store)]
    return any(found)


def _counted_on(step: Step, store: Store) -> Iterator[str]:
    yield from (output.digest for output in step.outputs if output.action == "restore")
    record = {"finish": store.record("takes", step.keys.take), "encode": store.record("masters", step.keys.master)}
    if (found := record.get(step.action)) is not None:
        yield digest_in(found)


def _why(name: str) -> str:
    made_by = generator(name)
    if lacking := made_by.available():
        return lacking
    return f"`{name}` wants a GPU, and `--offline-ok` begins nothing that does" if made_by.resources.gpu else ""


def cautions(survey: Survey) -> dict[str, str]:
    """Of all slots that are to be performed: the words, and the first slot that they concern."""
    said: dict[str, str] = {}
    for step in survey.plan.with_action("generate"):
        brief = step.recipe.brief
        for words in generator(brief.generator).cautions(brief, Shelf(survey.project.root)):
            said.setdefault(words, step.slot)
    return said
