"""What programs rely on: schemas that real output of real commands fits, typed functions, and a page that names all."""

from __future__ import annotations

import inspect
import json
import re
import signal
import subprocess
import sys
import typing
from collections.abc import Iterable
from typing import Any

import jsonschema
import pytest
from conftest import REPOSITORY, Game, command, environment

import tydust_assetgen
from tydust_assetgen import events
from tydust_assetgen.cli.json_schema import RESULTS, event_schema, result_schema

DOCS = REPOSITORY / "docs"
PAGE = (DOCS / "api.md").read_text()
KINDS: tuple[type[Any], ...] = typing.get_args(events.Event)
BESIDE = '\n[game]\nname = "Test"\ncatalog = "catalog.json"\nengine = "godot"\n[defaults]\ngenerator = "tone"\n'


def strict(schema: dict[str, Any]) -> jsonschema.Draft202012Validator:
    """Here nothing may be said that the schema does not name."""
    closed = {
        name: {**table, "additionalProperties": False} if "properties" in table else table
        for name, table in schema["$defs"].items()
    }
    return jsonschema.Draft202012Validator({**schema, "$defs": closed})


def told(printed: str) -> list[str]:
    """The kinds of these events, each held against the schema."""
    found = [json.loads(line) for line in printed.splitlines()]
    for event in found:
        strict(event_schema()).validate(event)
    return [event["event"] for event in found]


def fits(printed: str, name: str) -> dict[str, Any]:
    """A command's result, held against its own part of the schema."""
    paper: dict[str, Any] = json.loads(printed)
    schema = result_schema()
    strict({**schema, "anyOf": [schema["$defs"][name]]}).validate(paper)
    return paper


def mine(game: Game, path: str) -> None:
    """A person changes a sound, and it stays one."""
    game.path(path).write_bytes(game.path(path).read_bytes() + b"mine")


@pytest.mark.parametrize(("name", "made"), [("events", event_schema()), ("results", result_schema())])
def test_the_files_are_current_and_valid(name: str, made: dict[str, Any]) -> None:
    there = json.loads((DOCS / f"{name}.schema.json").read_text("utf-8"))
    assert there == made, f"run `assetgen schema {name} > docs/{name}.schema.json`"
    jsonschema.Draft202012Validator.check_schema(there)


def test_the_command_prints_them(game: Game) -> None:
    assert json.loads(game.run("schema", "events").stdout) == event_schema()
    assert json.loads(game.run("schema", "results").stdout) == result_schema()


def test_the_schema_tells_right_from_wrong() -> None:
    good = {"event": "wrote", "path": "catalog.json", "slot": ""}
    check = jsonschema.Draft202012Validator(event_schema())
    assert check.is_valid(good)
    assert check.is_valid({**good, "more": 1}), "keys may be added"
    for bad in ({**good, "event": "rote"}, {**good, "path": 3}, {"event": "wrote"}, {}, []):
        assert not check.is_valid(bad)


def test_every_event_of_builds_fits(game: Game) -> None:
    game.write('[music]\n"a.wav" = "first"\n"b.ogg" = "second"\n"c.wav" = "third"\n', BESIDE)
    assert set(told(game.run("build", "--json").stdout)) == {
        *("planned", "started", "progress", "done", "wrote", "summary")
    }
    assert told(game.run("build", "--json").stdout) == ["summary"]
    mine(game, "a.wav")
    game.path("catalog.json").write_text("[]")
    body = '[music."a.wav"]\nprompt = "first"\n[music."b.ogg"]\nprompt = "other"\ntone = { trouble = "fail" }\n'
    game.write(body, BESIDE)
    done = game.run("build", "--prune", "--json")
    assert done.returncode == 1
    assert {"blocked", "failed", "warning", "orphan", "summary"} <= set(told(done.stdout))


def test_every_event_of_a_watch_fits(game: Game) -> None:
    game.slots({"a.wav": "first"})
    process = subprocess.Popen(
        command("watch", "--json", "--exec", "true"),
        cwd=game.root,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout
    lines = list(_until(process.stdout, "ran"))
    (game.root / "assets.toml").write_text("broken [")
    lines += _until(process.stdout, "broken")
    game.slots({"a.wav": "second"})
    lines += _until(process.stdout, "idle")
    process.send_signal(signal.SIGINT)
    lines += process.stdout
    assert process.wait(20) == 0
    process.stdout.close()
    assert {"watching", "planned", "done", "ran", "broken", "changed", "idle"} <= set(told("".join(lines)))


def _until(stream: Iterable[str], kind: str) -> Iterable[str]:
    for line in stream:
        yield line
        if json.loads(line)["event"] == kind:
            return


def test_every_result_fits(game: Game) -> None:
    game.write('[cache]\nremote = "shared"\n[music]\n"a.wav" = "first"\n"b.ogg" = "second"\n', BESIDE)
    (game.root / "shared").mkdir()
    assert len(fits(game.run("build", "--dry-run", "--json").stdout, "build --dry-run")["steps"]) == 2
    assert len(fits(game.run("check", "--json").stdout, "check")["stale"]) == 2
    game.build()
    for _ in range(2):  # the long way, and the quick one
        assert fits(game.run("check", "--json").stdout, "check") == {"fresh": 2, "stale": [], "beside": []}
    assert fits(game.run("list", "--json").stdout, "list")["slots"][0] == {"slot": "a.wav", "paths": ["a.wav"]}
    assert fits(game.run("verify", "--json").stdout, "verify")["ok"] is True
    assert fits(game.run("cache", "push", "--json").stdout, "cache push")["left"] == 0
    assert fits(game.run("cache", "status", "--json").stdout, "cache status")["store_hits"] > 0
    game.path("a.wav").write_bytes(b"mine")
    game.path("catalog.json").unlink()
    game.write('[music]\n"a.wav" = "other"\n', BESIDE)
    paper = fits(game.run("check", "--json").stdout, "check")
    assert (paper["stale"][0]["slot"], paper["beside"][0]["status"]) == ("a.wav", "missing")
    assert fits(game.run("verify", "--json").stdout, "verify")["ok"] is False
    assert fits(game.run("status", "--json").stdout, "status")["orphans"][0]["path"] == "b.ogg"
    assert fits(game.run("build", "--dry-run", "--json").stdout, "build --dry-run")["fresh"] == 0


def test_what_the_hook_finds_fits(game: Game) -> None:
    game.slots({"a.wav": "first"})
    for words in (["init", "--quiet"], ["add", "--all"]):
        subprocess.run(["git", *words], cwd=game.root, check=True)
    paper = fits(game.run("check", "--staged", "--json").stdout, "check --staged")
    assert [one["slot"] for one in paper["refusals"]] == ["a.wav"]


@pytest.mark.parametrize("name", ["build", "check", "plan", "watch", "pick", "takes_of"])
def test_functions_are_typed_and_say_what_they_raise(name: str) -> None:
    function = getattr(tydust_assetgen, name)
    assert set(function.__annotations__) == {*inspect.signature(function).parameters, "return"}
    assert "Raises:" in function.__doc__
    assert (REPOSITORY / "tydust_assetgen/py.typed").exists()


def test_the_page_names_every_event_field_and_status() -> None:
    for kind in KINDS:
        tag = kind.__struct_config__.tag
        assert f"| `{tag}` | `{kind.__name__}` |" in PAGE
    assert len(re.findall(r"^\| `\w+` \| `[A-Z]\w+` \|", PAGE, re.MULTILINE)) == len(KINDS)
    for name in (*tydust_assetgen.Options.__struct_fields__, *tydust_assetgen.Result.__struct_fields__):
        assert f"`{name}`" in PAGE
    for status in re.findall(r"`(\w+)`", _status_line()):
        assert f"| `{status}` | " in PAGE
    assert all(f"`{name}`" in PAGE for name in RESULTS)


def _status_line() -> str:
    source = inspect.getsource(tydust_assetgen.Result)
    (line,) = re.findall(r'status: str\n    """(.+)"""', source)
    return str(line)


def test_the_pages_example_runs(game: Game) -> None:
    game.slots({"a.wav": "tune"})
    (example,) = re.findall(r"```python\n(.+?)```", PAGE, re.DOTALL)
    (game.root / "build.py").write_text(example)
    done = subprocess.run(
        [sys.executable, "build.py"], cwd=game.root, env=environment(), capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("a.wav generate `a.wav` was never built\na.wav: generate")
    assert done.stdout.endswith("a.wav made a.wav \n")
    assert game.digests() == game.locked()


def test_exit_codes_of_a_report_and_of_the_command(game: Game) -> None:
    game.write('[music]\n"a.wav" = "first"\n')
    report = game.build()
    assert [(result.slot, result.status) for result in report.results] == [("a.wav", "made")]
    assert report.exit_code == game.run("build").returncode == 0
    game.path("a.wav").unlink()
    assert [result.status for result in game.build().results] == ["restored"]
    assert [result.status for result in game.build().results] == ["fresh"]
    mine(game, "a.wav")
    assert [result.status for result in game.build().results] == ["blocked"]
    assert game.run("check").returncode == 1
    with pytest.raises(tydust_assetgen.AssetgenError, match="nothing"):
        game.build("nothing.wav")
    assert game.run("build", "nothing.wav").returncode == 2
    game.write("[music]\na = 3\n")
    with pytest.raises(tydust_assetgen.ManifestError) as caught:
        game.build()
    assert caught.value.problems[0].place.startswith("assets.toml:")
    assert game.run("build").returncode == 2
