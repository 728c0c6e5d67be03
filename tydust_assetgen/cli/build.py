"""Commands that write something: build, adopt, gc, init, midi, plot."""

from __future__ import annotations

import argparse
from pathlib import Path

from tydust_assetgen.building.preflight import cautions
from tydust_assetgen.cli.integrate import depfile_of
from tydust_assetgen.cli.json_types import PlanResult, step_result
from tydust_assetgen.cli.output import print_json, project_of, verbosity_of
from tydust_assetgen.cli.progress import clock, console, count_of, nothing_to_do, reporter
from tydust_assetgen.cli.terminal import say
from tydust_assetgen.errors import AssetgenError, UnavailableError, UsageError
from tydust_assetgen.planning.estimate import Rates
from tydust_assetgen.planning.plan import Plan, plan
from tydust_assetgen.planning.snapshot import PlanRequest, observe_project, one_slot
from tydust_assetgen.project.lockfile import read_lock
from tydust_assetgen.project.project import Project
from tydust_assetgen.project.seeds import published
from tydust_assetgen.system import cores, read_bounded


def build(arguments: argparse.Namespace) -> int:
    from tydust_assetgen.building.build import build as build_project
    from tydust_assetgen.building.report import Options

    project = project_of(arguments)
    if arguments.force and not arguments.slots:
        raise UsageError("`--force` needs the slots to make again", hint="such as `assetgen build --force SLOT`")
    if arguments.dry_run:
        return _dry_run(arguments, project)
    options = Options(
        slots=tuple(arguments.slots),
        force=arguments.force,
        jobs=arguments.jobs,
        prune=arguments.prune,
        wait=not arguments.no_wait,
        frozen=arguments.frozen,
        offline_ok=arguments.offline_ok,
    )
    write_depfile = depfile_of(arguments, project)
    with reporter(json=arguments.json, color=arguments.color, verbosity=verbosity_of(arguments)) as tell:
        report = build_project(project, options, tell)
    write_depfile()
    return report.exit_code


def _dry_run(arguments: argparse.Namespace, project: Project) -> int:
    """Print what a build would do, from the same plan as the build's."""
    request = PlanRequest(slots=arguments.slots, force=arguments.force, thorough=arguments.prune, with_followed=True)
    todo = plan(observe_project(project, request))
    estimate_s = Rates(project.rates).total_s(todo.work, arguments.jobs or cores())
    if arguments.json:
        result = PlanResult(
            fresh=todo.fresh,
            steps=tuple(step_result(step) for step in todo.steps if step.action != "fresh"),
            orphans=todo.orphans,
            estimate_s=estimate_s,
            cautions=tuple(cautions(todo, project)),
        )
        print_json(result)
        return 0
    _print_steps(todo, arguments)
    out = console(arguments.color, stderr=False)
    if todo.work:
        out.print(
            f"would make {count_of(len(todo.work), 'slot')}, in about {clock(estimate_s)}",
            style="bold",
            markup=False,
        )
    else:
        out.print(nothing_to_do(todo.fresh), style="bold", markup=False)
    for words in cautions(todo, project):
        console(arguments.color).print(f"warning: {words}", style="yellow", markup=False)
    return 0


def _print_steps(todo: Plan, arguments: argparse.Namespace) -> None:
    out = console(arguments.color, stderr=False)
    for step in todo.steps:
        if step.action == "fresh":
            continue
        takes = f"  ({count_of(len(step.perform), 'take')})" if step.recipe.brief.takes > 1 and step.perform else ""
        out.print(f"{step.action:<9} {step.slot}{takes}", markup=False)
        for reason in step.reasons:
            out.print(f"          {reason}", style="dim", markup=False)
    for orphan in todo.orphans:
        verb = "remove" if arguments.prune and not orphan.modified else "orphan"
        out.print(f"{verb:<9} {orphan.path}", markup=False)


def adopt(arguments: argparse.Namespace) -> int:
    from tydust_assetgen.operations.adopt import adopt as adopt_slot

    paths = adopt_slot(project_of(arguments), arguments.slot)
    if not arguments.quiet:
        say(f"adopted {', '.join(paths)}")
    return 0


def gc(arguments: argparse.Namespace) -> int:
    from tydust_assetgen.building.lock import locked

    project = project_of(arguments)
    if not project.private.is_dir():
        raise AssetgenError("there is no store here yet", hint="`assetgen build` makes one")
    with locked(project):
        done = project.store.gc(max_bytes=arguments.max_size, max_age_s=arguments.max_age, adopted=_adopted(project))
    if arguments.json:
        print_json(done)
    elif not arguments.quiet:
        freed, kept = done.freed_bytes / 1e6, done.kept_bytes / 1e6
        say(f"removed {done.removed} entries ({freed:.1f} MB), kept {done.kept} ({kept:.1f} MB)")
    return 0


def _adopted(project: Project) -> set[str] | None:
    """Digests of a person's own files that the lock file still has; `None` when it can't tell."""
    lock = read_lock(project.lock_file)
    if lock.problems or not lock.blocks:
        return None
    entries = [entry for slot in lock.blocks if (entry := lock.entry(slot)) is not None]
    return {locked.digest for entry in entries for locked in entry.outputs if locked.hand_made}


def init(arguments: argparse.Namespace) -> int:
    from tydust_assetgen.cli.init import write_starter

    project = Project.at(arguments.folder, arguments.manifest)  # here, also where a folder above has one
    for path in write_starter(project, arguments.name):
        if not arguments.quiet:
            say(f"wrote {path}")
    if not arguments.quiet:
        say("  hint: edit `assets.toml`, then run `assetgen build`")
    return 0


def midi(arguments: argparse.Namespace) -> int:
    from tydust_assetgen.generate.protocol import WritesMidi
    from tydust_assetgen.generate.registry import generator

    (step,) = plan(observe_project(project_of(arguments), one_slot(arguments.slot))).steps
    made_by = generator(step.recipe.brief.generator)
    if not isinstance(made_by, WritesMidi):
        hint = '`generator = "composer"` writes one'
        raise UnavailableError(f"the generator `{made_by.name}` writes no score", slot=arguments.slot, hint=hint)
    path = _output_path(arguments, ".mid")
    _write(path, made_by.midi(published(step.recipe.brief, step.published)))
    say(f"wrote {path}")
    return 0


def plot(arguments: argparse.Namespace) -> int:
    from tydust_assetgen.codec import decode
    from tydust_assetgen.flow import Facts
    from tydust_assetgen.operations.plot import plot as draw

    snapshot = observe_project(project_of(arguments), one_slot(arguments.slot))
    (step,) = plan(snapshot).steps
    output = step.recipe.outputs[0]
    try:
        data = read_bounded(snapshot.tree / output.path)
    except OSError as error:
        hint = f"`assetgen build {arguments.slot}` makes it"
        raise AssetgenError(f"`{output.path}` can't be read: {error.strerror}", hint=hint) from error
    decoded = decode(data, output.codec)
    path = _output_path(arguments, ".png")
    facts = step.entry.facts if step.entry else Facts()
    draw(decoded.audio, facts, decoded.loop, step.recipe.title, path)
    say(f"wrote {path}")
    return 0


def _output_path(arguments: argparse.Namespace, suffix: str) -> Path:
    """What `--output` names, else a file in this folder with the slot's name."""
    return Path(arguments.output or Path(arguments.slot).with_suffix(suffix).name)


def _write(path: Path, data: bytes) -> None:
    from tydust_assetgen.system import write_atomic

    try:
        write_atomic(path, data)
    except OSError as error:
        raise AssetgenError(f"can't write `{path}`: {error.strerror or error}") from error
