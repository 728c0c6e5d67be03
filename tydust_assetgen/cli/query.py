"""Commands that look and change nothing: status, explain, check, verify, lint, schema, doctor, completion."""

from __future__ import annotations

import argparse
import sys
from typing import Any

import msgspec

from tydust_assetgen.cli.json_types import CheckResult, ExportResult, StatusResult, step_result
from tydust_assetgen.cli.output import print_json, project_of
from tydust_assetgen.cli.progress import console, count_of
from tydust_assetgen.cli.terminal import say
from tydust_assetgen.flow import Brief
from tydust_assetgen.generate.registry import generator
from tydust_assetgen.planning.plan import Snapshot, Step, plan
from tydust_assetgen.planning.snapshot import PlanRequest, choose, observe_project, one_slot

_WORDS = {
    "fresh": ("fresh", "green"),
    "relock": ("relock", "cyan"),
    "restore": ("restore", "cyan"),
    "encode": ("encode", "yellow"),
    "finish": ("finish", "yellow"),
    "generate": ("generate", "yellow"),
    "blocked": ("by hand", "magenta"),
}


def status(arguments: argparse.Namespace) -> int:
    snapshot = observe_project(project_of(arguments), PlanRequest(slots=arguments.slots, thorough=True))
    todo = plan(snapshot)
    if arguments.json:
        print_json(StatusResult(slots=tuple(map(step_result, todo.steps)), orphans=todo.orphans))
        return 0
    out = console(arguments.color, stderr=False)
    _warn_of_lock(snapshot, arguments)
    for step in todo.steps:
        word, style = _WORDS[step.action]
        picked = f"  (take {step.recipe.brief.pick} is picked)" if step.recipe.brief.pick else ""
        out.print(f"{word:<9} {step.slot}{picked}", style=style, markup=False)
        for reason in step.reasons:
            out.print(f"          {reason}", style="dim", markup=False)
    for orphan in todo.orphans:
        what = "modified by hand, left alone" if orphan.modified else "`assetgen build --prune` removes it"
        out.print(f"orphan    {orphan.path}: no longer asked for; {what}", style="magenta", markup=False)
    counts = f"{todo.fresh} of {len(todo.steps)} slots fresh"
    out.print(counts + (f", {len(todo.orphans)} orphans" if todo.orphans else ""), markup=False)
    return 0


def _warn_of_lock(snapshot: Snapshot, arguments: argparse.Namespace) -> None:
    for problem in snapshot.lock.problems:
        console(arguments.color).print(f"warning: {problem}", style="yellow", markup=False)


def check(arguments: argparse.Namespace) -> int:
    if arguments.staged or arguments.all:
        from tydust_assetgen.cli.hook import staged

        return staged(arguments)
    snapshot = observe_project(project_of(arguments), PlanRequest(slots=arguments.slots))
    todo = plan(snapshot)
    stale = [step for step in todo.steps if step.action != "fresh"]
    exports = _exports_not_fresh(snapshot, arguments)
    if arguments.json:
        print_json(CheckResult(fresh=todo.fresh, stale=tuple(map(step_result, stale)), beside=exports))
        return 1 if stale or exports else 0
    for problem in snapshot.lock.problems:
        say(f"warning: {problem}")
    for step in stale:
        for reason in step.reasons:
            say(f"not fresh: {step.slot}: {reason}")
    if stale:
        command = "assetgen adopt SLOT" if all(step.action == "blocked" for step in stale) else "assetgen build"
        command = "git lfs pull" if any(step.not_fetched for step in stale) else command
        say(f"  hint: `{command}` puts it right; {len(stale)} of {len(stale) + todo.fresh} slots are not fresh")
        return 1
    for found in exports:
        say(f"not fresh: {found.reason}\n  hint: {found.hint}")
    if exports:
        return 1
    if not arguments.quiet:
        say(f"all is fresh: {count_of(todo.fresh, 'slot')}")
    return 0


def _exports_not_fresh(snapshot: Snapshot, arguments: argparse.Namespace) -> tuple[ExportResult, ...]:
    """Files beside the music that are not as they should be, such as the catalogue."""
    if arguments.slots or not any(snapshot.manifest.exports):
        return ()
    from tydust_assetgen.exports.files import judge_on_disk

    found = [one for one in judge_on_disk(snapshot.manifest, snapshot.lock.entry) if one.status != "fresh"]
    return tuple(ExportResult(path=one.path, status=one.status, reason=one.reason, hint=one.hint) for one in found)


def explain(arguments: argparse.Namespace) -> int:
    (step,) = plan(observe_project(project_of(arguments), one_slot(arguments.slot))).steps
    if arguments.json:
        result = msgspec.structs.asdict(step_result(step))
        print_json({**result, "recipe": step.recipe, "keys": step.keys, "locked": step.entry})
        return 0
    out = console(arguments.color, stderr=False)
    word, style = _WORDS[step.action]
    out.print(f"{step.slot}: {word}", style=f"bold {style}", markup=False)
    for reason in step.reasons or ("the recipe and the file are the ones in the lock file",):
        out.print(f"  why  {reason}", markup=False)
    for name, value in _recipe_lines(step):
        out.print(f"  {name:<12} {value}", markup=False)
    return 0


def _recipe_lines(step: Step) -> list[tuple[str, str]]:
    recipe, brief, finish = step.recipe, step.recipe.brief, step.recipe.finish
    sections = ", ".join(f"{section.name} {section.seconds:g} s" for section in brief.sections)
    facts = step.entry.facts if step.entry else None
    lines = [
        ("asked at", recipe.place),
        ("title", recipe.title),
        ("generator", f"{brief.generator} {step.versions.generator}"),
        ("genre", brief.genre),
        ("key", brief.key),
        ("tempo", f"{brief.bpm:g} BPM" if brief.bpm else ""),
        ("duration", f"{brief.duration_s:g} s"),
        ("sections", sections),
        ("moods", ", ".join(brief.moods)),
        ("instruments", ", ".join(brief.instruments)),
        ("seed", str(brief.seed)),
        ("takes", _takes_line(step)),
        ("loop", "yes" if finish.loop else "no"),
        ("loudness", f"{finish.target_lufs:g} LUFS, at most {finish.true_peak_dbtp:g} dBTP"),
        ("hears", ", ".join(f"{one.path} ({one.digest[:12]})" for one in brief.references)),
        ("parameters", _parameters_line(brief)),
        ("format", f"{finish.sample_rate_hz} Hz, {finish.channels} channels"),
        (
            "built as",
            f"{facts.bars} bars of {facts.beats_per_bar}, {facts.key}, {facts.bpm:g} BPM"
            if facts and facts.bars
            else "",
        ),
        ("built with", _built_with(step)),
        ("licence", step.entry.provenance.licence if step.entry else ""),
        ("outputs", ", ".join(output.path for output in recipe.outputs)),
        ("prompt", brief.prompt),
        ("take key", step.keys.take[:16]),
        ("master key", step.keys.master[:16]),
    ]
    return [(name, value) for name, value in lines if value]


def _parameters_line(brief: Brief) -> str:
    """The generator's own parameters that are not its defaults."""
    usual: dict[str, Any] = msgspec.to_builtins(generator(brief.generator).parameters())
    chosen = {name: value for name, value in brief.parameters.items() if value != usual.get(name)}
    return ", ".join(f"{name} = {msgspec.json.encode(value).decode()}" for name, value in chosen.items())


def _built_with(step: Step) -> str:
    """The model, its revision, and what else the sound depends on, as the lock file has it; empty without a model."""
    made = step.entry.provenance if step.entry else None
    if not made or not made.model:
        return ""
    revision = f"revision {made.revision[:12]}" if made.revision else ""
    return ", ".join(
        filter(None, (made.model, revision, *(f"{name} {value}" for name, value in made.libraries.items())))
    )


def _takes_line(step: Step) -> str:
    """How many takes there are, and which is published; empty where there is one."""
    brief = step.recipe.brief
    if brief.takes == 1:
        return ""
    which = f"take {brief.pick} is picked" if brief.pick else f"take {step.published} is the best"
    return f"{brief.takes}; {which}" if brief.pick or step.published else f"{brief.takes}, of which the best is wanted"


def verify(arguments: argparse.Namespace) -> int:
    from tydust_assetgen.cli.output import print_reports, with_bar
    from tydust_assetgen.operations.verify import inspect

    snapshot = observe_project(project_of(arguments), PlanRequest(slots=arguments.slots, thorough=True))
    todo = plan(snapshot)
    quiet = arguments.json or arguments.quiet
    with with_bar("verify", len(todo.steps), arguments.color, quiet=quiet) as advance:
        reports = inspect(snapshot, todo, jobs=arguments.jobs, on_report=lambda _: advance())
    ok = all(report.ok for report in reports)
    if arguments.json:
        from tydust_assetgen.cli.json_schema import VerifyResult

        print_json(VerifyResult(ok=ok, slots=tuple(reports)))
    else:
        out = console(arguments.color, stderr=False)
        print_reports(reports, out, verbose=arguments.verbose, quiet=arguments.quiet)
    return 0 if ok else 1


def lint(arguments: argparse.Namespace) -> int:
    from tydust_assetgen.generate.registry import parameter_types
    from tydust_assetgen.manifest import read_manifest
    from tydust_assetgen.manifest.lint import lint as judge

    manifest = read_manifest(project_of(arguments).manifest, parameter_types())
    findings = judge(manifest.resolve(choose(manifest, arguments.slots)), manifest)
    if arguments.json:
        print_json({"findings": findings})
    else:
        out = console(arguments.color, stderr=False)
        for found in findings:
            out.print(f"{found.place}: {found.slot}: {found.message}", markup=False)
            if found.example:
                out.print(f"  better: {found.example}", style="green", markup=False)
        if not findings and not arguments.quiet:
            out.print("every prompt follows the pattern", markup=False)
    return 1 if findings else 0


def schema(arguments: argparse.Namespace) -> int:
    if arguments.what == "manifest":
        from tydust_assetgen.generate.registry import parameter_types
        from tydust_assetgen.manifest import json_schema

        print_json(json_schema(parameter_types()))
    else:
        from tydust_assetgen.cli.json_schema import event_schema, result_schema

        print_json(event_schema() if arguments.what == "events" else result_schema())
    return 0


def doctor(arguments: argparse.Namespace) -> int:
    from tydust_assetgen.cli.doctor import examine

    health = examine()
    if arguments.json:
        print_json(health)
        return 0
    out = console(arguments.color, stderr=False)
    for title, rows in health.items():
        out.print(title, style="bold", markup=False)
        width = max(map(len, rows), default=0)
        for name, text in rows.items():
            out.print(f"  {name:<{width}}  {text}", markup=False)
    return 0


def completion(arguments: argparse.Namespace) -> int:
    import shtab

    sys.stdout.write(shtab.complete(arguments.parser, shell=arguments.shell) + "\n")
    return 0
