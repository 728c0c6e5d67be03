"""What is looked at and said before the work: what this machine can't make, and what the store has lost.

With `offline_ok`, as on a CI machine without a GPU, nothing is begun that wants one: it would take hours on a CPU.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from tydust_assetgen import events
from tydust_assetgen.building.commit import ResultCommitter
from tydust_assetgen.building.messages import Failure
from tydust_assetgen.building.report import result_of
from tydust_assetgen.building.tasks import Task
from tydust_assetgen.generate.protocol import Shelf
from tydust_assetgen.generate.registry import generator
from tydust_assetgen.planning.estimate import Rates
from tydust_assetgen.planning.plan import Plan, Step
from tydust_assetgen.project.project import Project
from tydust_assetgen.store import Store, digest_in

_FROZEN_HINT = "`assetgen build` where it can be made sends it to the cache; commit the lock file then"


def announce_plan(committer: ResultCommitter, rates: Rates, jobs: int, *, frozen: bool = False) -> None:
    """Tell what the build is going to do, and what it can't do. Slots that are wholly blocked get their result: with
    `frozen`, those fail whose files Git LFS has not fetched."""
    plan, tell = committer.plan, committer.tell
    for problem in committer.snapshot.lock.problems:
        tell(events.Warned(message=problem, hint="what the store still has is not made again"))
    tell(
        events.Planned(
            slots=plan.settled + len(plan.steps),
            fresh=plan.fresh,
            work=len(plan.work),
            estimate_s=rates.total_s(plan.work, jobs),
        )
    )
    for step in plan.steps:
        _announce_blocked(step, committer, frozen=frozen)
    for words, slot in cautions(plan, committer.project).items():
        tell(events.Warned(message=words, slot=slot))


def _announce_blocked(step: Step, committer: ResultCommitter, *, frozen: bool) -> None:
    blocked = [output.output.path for output in step.outputs if output.action == "blocked"]
    if not blocked:
        return
    hint = f"`assetgen adopt {step.slot}` keeps it, `assetgen build --force {step.slot}` makes it again"
    hint = "`git lfs pull` fetches it" if step.not_fetched else hint
    reasons = tuple(str(reason) for reason in step.reasons if reason.path in blocked or not reason.path)
    if frozen and step.not_fetched and step.action == "blocked":
        committer.fail(step, Failure(message="; ".join(reasons), hint=hint))
        return
    committer.tell(events.Blocked(slot=step.slot, reasons=reasons, hint=hint))
    if step.action == "blocked":
        committer.results.append(result_of(step, "blocked", hint=hint))


def steps_to_do(committer: ResultCommitter, *, frozen: bool) -> tuple[Step, ...]:
    """The steps that change something. With `frozen`, and where a generator would be needed, none but failures."""
    plan = committer.plan
    to_generate = plan.with_action("generate") if frozen else ()
    for step in to_generate:
        words = "it would have to be generated, and the build is frozen"
        committer.fail(step, Failure(message=words, hint=_FROZEN_HINT))
    return () if to_generate else plan.work


def out_of_reach(tasks: Iterable[Task]) -> dict[str, str]:
    """Slots that can't be made here, and why; those that follow one of them can't be either."""
    found: dict[str, str] = {}
    waiting = list(tasks)
    for task in waiting:
        if task.step.action == "generate" and (why := _why(task.step.recipe.brief.generator)):
            found[task.step.slot] = why
    while more := {task.step.slot: lost for task in waiting if (lost := _lost(task, found))}:
        found |= {slot: f"`{followed}`, which it follows, is not here" for slot, followed in more.items()}
    return found


def _lost(task: Task, found: Mapping[str, str]) -> str:
    """A slot that it follows and that is out of reach; empty where there is none, or where that is known already."""
    followed = sorted(task.follows & found.keys())
    return followed[0] if followed and task.step.slot not in found else ""


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


def cautions(plan: Plan, project: Project) -> dict[str, str]:
    """Of all slots that are to be performed: the words, and the first slot that they concern."""
    said: dict[str, str] = {}
    for step in plan.with_action("generate"):
        brief = step.recipe.brief
        for words in generator(brief.generator).cautions(brief, Shelf(project.root)):
            said.setdefault(words, step.slot)
    return said
