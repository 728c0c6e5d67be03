"""The real command, in processes of its own, against every kind of remote: how it ends, and what it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import ONE, MakeGame, every_kind


@every_kind
def test_ci_gets_every_track_and_writes_nothing(cache: str, machine: MakeGame, monkeypatch: pytest.MonkeyPatch) -> None:
    ann, ci = machine("ann", cache, ONE), machine("ci", cache, ONE)
    made = ann.run("build", "--json")
    assert (made.returncode, made.stderr) == (0, "")
    told = [json.loads(line) for line in made.stdout.splitlines()]
    assert [one for one in told if one["event"] == "warning"] == []
    ci.project.lock_file.write_bytes(ann.project.lock_file.read_bytes())
    monkeypatch.setenv("ASSETGEN_CACHE_READ_ONLY", "1")
    done = ci.run("build", "--frozen", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[0]["event"] == "fetching"
    assert events[-1]["restored"] == 1
    assert ci.digests() == ann.digests()


def test_frozen_says_what_would_be_made(folder: Path, machine: MakeGame) -> None:
    ci = machine("ci", str(folder), ONE, more="read_only = true")
    refused = ci.run("build", "--frozen")
    assert refused.returncode == 1
    assert "one.ogg: it would have to be generated, and the build is frozen" in refused.stderr
    assert ci.digests() == {}
    status = ci.run("cache", "status")
    assert status.returncode == 0
    assert f"{folder}: 0 of 2 records (0.0 MB), read-only" in status.stdout
