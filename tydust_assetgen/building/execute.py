"""The second stage of a build: workers make what the store does not have.

What can't be made on this machine is sorted out first, before minutes are spent on it.
"""

from __future__ import annotations

from collections.abc import Sequence

from tydust_assetgen import codec
from tydust_assetgen.building.commit import ResultCommitter
from tydust_assetgen.building.messages import Failure
from tydust_assetgen.building.pool import Pool
from tydust_assetgen.building.preflight import out_of_reach
from tydust_assetgen.building.scheduler import Scheduler
from tydust_assetgen.building.tasks import Task
from tydust_assetgen.generate.registry import generator
from tydust_assetgen.planning.estimate import Rates

_OFFLINE_HINT = "`assetgen build` on a machine that can make it sends it to the cache"
_DOCTOR_HINT = "`assetgen doctor` shows what is here"


def execute(tasks: Sequence[Task], committer: ResultCommitter, rates: Rates, pool: Pool, *, offline_ok: bool) -> None:
    """Have every task made, published and locked; each ends with a result in the committer.

    Args:
        tasks: what the store could not fill.
        committer: publishes, and takes the results.
        rates: learns how fast this machine is.
        pool: the workers. What they began for an earlier build goes on.
        offline_ok: leave out what wants a GPU or a generator that is not here.
    """
    reachable = _within_reach(tasks, committer) if offline_ok else tasks
    ready = [task for task in reachable if not _fail_where_something_lacks(task, committer)]
    if ready or pool.busy:
        Scheduler(pool, committer, rates, ready).run(committer.failed)


def _within_reach(tasks: Sequence[Task], committer: ResultCommitter) -> list[Task]:
    """Leave out what can't be made here, and say so."""
    lost = out_of_reach(tasks)
    for task in tasks:
        if task.step.slot in lost:
            words = f"not made: {lost[task.step.slot]}; the store and the cache don't have it"
            committer.leave_out(task.step, words, _OFFLINE_HINT)
    return [task for task in tasks if task.step.slot not in lost]


def _fail_where_something_lacks(task: Task, committer: ResultCommitter) -> bool:
    """Fail a slot whose generator or encoder is not installed; whether it was failed."""
    step = task.step
    reasons = [codec.available(step.outputs[index].output.codec) for index in task.missing]
    if step.action == "generate":
        reasons.append(generator(step.recipe.brief.generator).available())
    lacking = next(filter(None, reasons), "")
    if lacking:
        committer.fail(step, Failure(message=lacking, hint=_DOCTOR_HINT))
    return bool(lacking)
