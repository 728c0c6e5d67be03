"""What is shared, with whom, and what a build makes of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec
import pytest

from tydust_assetgen.cache.records import CacheRecord, read_record, write_record
from tydust_assetgen.store import OutputRecord, TakeRecord
from tydust_assetgen.system import digest_bytes

from .conftest import HEAD, ONE, MakeGame, warnings

MADE = {"generated": 2, "finished": 2, "encoded": 2}


def records(folder: Path, kind: str) -> list[Path]:
    """The records of a kind in a cache."""
    return [path for path in sorted((folder / "ac").iterdir()) if json.loads(path.read_bytes())["kind"] == kind]


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "cas").iterdir()}


def test_files_and_takes_are_shared_and_masters_are_not(folder: Path, machine: MakeGame) -> None:
    ann = machine("ann", str(folder))
    ann.build()
    assert len(records(folder, "outputs")) == len(records(folder, "takes")) == 2
    assert len(list((folder / "ac").iterdir())) == len(content(folder)) == 4
    assert all(digest_bytes(data) == name for name, data in content(folder).items())
    assert set(ann.digests().values()) < set(content(folder))
    assert list((folder / "tmp").iterdir()) == []


def test_read_only_takes_and_never_sends(folder: Path, machine: MakeGame) -> None:
    assert machine("ann", str(folder), more="read_only = true").counts() == MADE
    assert list(folder.iterdir()) == []
    machine("bob", str(folder)).build()
    assert machine("carl", str(folder), more="read_only = true").counts() == {"restored": 2}


def test_the_environment_goes_first(
    folder: Path, machine: MakeGame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = machine("ann", str(tmp_path / "not there"), more="read_only = true")
    monkeypatch.setenv("ASSETGEN_CACHE_REMOTE", str(folder))
    monkeypatch.setenv("ASSETGEN_CACHE_READ_ONLY", "0")
    assert (ann.counts(), warnings(ann)) == (MADE, [])
    assert len(content(folder)) == 4
    monkeypatch.setenv("ASSETGEN_CACHE_REMOTE", "")
    assert machine("bob", str(folder)).counts() == MADE
    monkeypatch.setenv("ASSETGEN_CACHE_REMOTE", str(folder))
    monkeypatch.setenv("ASSETGEN_CACHE_READ_ONLY", "perhaps")
    done = machine("carl", str(folder)).run("build")
    assert (done.returncode, "`ASSETGEN_CACHE_READ_ONLY` is neither yes nor no" in done.stderr) == (2, True)


def test_frozen_fails_before_anything_is_changed(folder: Path, machine: MakeGame) -> None:
    machine("ann", str(folder), ONE).build()
    bob = machine("bob", str(folder))
    report = bob.build(frozen=True)
    failed = [result.slot for result in report.results if result.status == "failed"]
    assert (report.exit_code, failed) == (1, ["two.ogg"])
    assert bob.digests() == {}
    assert not bob.project.lock_file.exists()
    assert bob.counts() == {"generated": 1, "finished": 1, "encoded": 1, "restored": 1}
    assert bob.counts(frozen=True) == {"fresh": 2}


def test_frozen_is_not_fooled_by_a_damaged_store(folder: Path, machine: MakeGame) -> None:
    ann = machine("ann", str(folder))
    ann.build()
    right = ann.digests()
    for path in (ann.root / ".assetgen/store/objects").rglob("*"):
        if path.is_file():
            path.write_bytes(b"damaged" + path.read_bytes()[7:])
    shutil.rmtree(ann.root / "assets")
    assert ann.counts(frozen=True) == {"restored": 2}
    assert ann.digests() == right
    for path in [*(ann.root / ".assetgen/store/objects").rglob("*"), *folder.rglob("*")]:
        if path.is_file():
            path.write_bytes(b"damaged")
    shutil.rmtree(ann.root / "assets")
    assert ann.counts(frozen=True)["failed"] == 2
    assert ann.digests() == {}


def test_offline_ok_leaves_out_what_needs_a_gpu(folder: Path, machine: MakeGame) -> None:
    body = ONE + '[music."deep.ogg"]\nprompt = "a calm tone"\ngenerator = "musicgen"\nduration = 5\n'
    ann = machine("ann", str(folder), body)
    report = ann.build(offline_ok=True)
    assert {result.slot: result.status for result in report.results} == {"one.ogg": "made", "deep.ogg": "absent"}
    assert (report.exit_code, report.summary.absent, report.summary.failed) == (0, 1, 0)
    assert set(ann.digests()) == {"one.ogg"}
    assert any(event.slot == "deep.ogg" for event in ann.told if type(event).__name__ == "Warned")  # type: ignore[union-attr]
    assert ann.run("build", "--frozen", "--offline-ok").returncode == 1


def test_a_track_that_cant_be_made_here_comes_from_the_cache(folder: Path, machine: MakeGame) -> None:
    """What a machine with a GPU would have left: a record and its content under the slot's key."""
    ann = machine("ann", str(folder), ONE)
    ann.build()
    body = '[music."deep.ogg"]\nprompt = "a calm tone"\ngenerator = "musicgen"\nduration = 2\n'
    bob = machine("bob", str(folder), body)
    from tydust_assetgen.operations.query import plan

    (step,) = plan(bob.project).steps
    (path,) = records(folder, "outputs")
    found = read_record("outputs", path.name, path.read_bytes(), b"")
    assert isinstance(found.record, OutputRecord)
    wanted = msgspec.structs.replace(found.record.verified, output=step.recipe.outputs[0])
    forged = CacheRecord(record=msgspec.structs.replace(found.record, verified=wanted))
    key = step.keys.outputs[0]
    (folder / "ac" / key).write_bytes(write_record("outputs", key, forged, b""))
    assert bob.counts(offline_ok=True) == {"restored": 1}
    assert set(bob.digests().values()) == set(ann.digests().values())


def test_all_takes_are_shared_with_how_they_were_chosen(folder: Path, machine: MakeGame) -> None:
    body = '[music."one.ogg"]\nprompt = "a calm tone"\ntakes = 3\ntone = { rough = true }\n'
    ann, bob = machine("ann", str(folder), body), machine("bob", str(folder), body)
    ann.build()
    (entry,) = [ann.lock.entry("one.ogg")]
    assert entry is not None
    assert bob.counts(frozen=True) == {"restored": 1}
    other = 1 + entry.provenance.chosen % 3
    from tydust_assetgen.operations.takes import pick

    told: list[object] = []
    assert pick(ann.project, "one.ogg", other, told.append).exit_code == 0
    bob.project.lock_file.write_bytes(ann.project.lock_file.read_bytes())
    shutil.rmtree(bob.root / ".assetgen")
    shutil.rmtree(bob.root / "assets")
    assert bob.counts(frozen=True) == {"restored": 1}
    assert bob.digests() == ann.digests()
    known = [read_record("takes", path.name, path.read_bytes(), b"") for path in records(folder, "takes")]
    assert sorted(len(found.contest.entrants) for found in known if found.contest) == [3]


def test_what_is_followed_is_heard_from_the_cache(folder: Path, machine: MakeGame) -> None:
    follower = '[music."echo.ogg"]\nprompt = "an echo"\ntone = { follow = "slot:one.ogg" }\n'
    ann = machine("ann", str(folder), ONE + follower)
    ann.build("one.ogg")
    bob = machine("bob", str(folder), ONE + follower)
    assert bob.counts("echo.ogg") == {"generated": 1, "finished": 1, "encoded": 1}
    assert set(bob.digests()) == {"echo.ogg"}
    ann.build()
    assert ann.digests()["echo.ogg"] == bob.digests()["echo.ogg"]


def test_what_is_forced_is_made(folder: Path, machine: MakeGame) -> None:
    machine("ann", str(folder)).build()
    assert machine("bob", str(folder)).counts("one.ogg", force=True) == {"generated": 1, "finished": 1, "encoded": 1}


def forge(folder: Path, text: bytes, secret: bytes = b"") -> None:
    """Whoever may write to a cache names other content in every record."""
    digest = digest_bytes(text)
    (folder / "cas" / digest).write_bytes(text)
    for path in records(folder, "outputs"):
        found = read_record("outputs", path.name, path.read_bytes(), secret)
        assert isinstance(found.record, OutputRecord)
        verified = msgspec.structs.replace(found.record.verified, digest=digest, size=len(text))
        record = msgspec.structs.replace(found.record, verified=verified)
        path.write_bytes(write_record("outputs", path.name, CacheRecord(record=record), b""))


def test_the_lock_file_vouches_for_its_files(folder: Path, machine: MakeGame) -> None:
    ann, bob = machine("ann", str(folder)), machine("bob", str(folder))
    ann.build()
    other = machine("other", [], '[music]\n"evil.ogg" = "an evil tone"\n')
    other.build()
    forge(folder, other.path("evil.ogg").read_bytes())
    bob.project.lock_file.write_bytes(ann.project.lock_file.read_bytes())
    assert bob.counts(frozen=True) == {"restored": 2}
    assert bob.digests() == ann.digests()


def test_only_what_is_signed_is_believed(folder: Path, machine: MakeGame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSETGEN_CACHE_SECRET", "team")
    ann = machine("ann", str(folder))
    ann.build()
    assert machine("bob", str(folder)).counts(frozen=True) == {"restored": 2}
    other = machine("other", [], '[music]\n"evil.ogg" = "an evil tone"\n')
    other.build()
    forge(folder, other.path("evil.ogg").read_bytes(), b"team")
    carl = machine("carl", str(folder))
    assert carl.counts(frozen=True) == {"finished": 2, "encoded": 2}  # of the takes, which are signed
    assert carl.digests() == ann.digests()
    assert warnings(carl) == [f"the cache `{folder}` has a bad entry: a record is not signed with this team's secret"]
    monkeypatch.setenv("ASSETGEN_CACHE_SECRET", "another team")
    assert machine("dora", str(folder)).counts() == MADE


def test_no_file_that_does_not_decode_is_taken(folder: Path, machine: MakeGame) -> None:
    ann, bob = machine("ann", str(folder)), machine("bob", str(folder))
    ann.build()
    forge(folder, ann.path("one.ogg").read_bytes()[:-100])
    assert bob.counts() == {"finished": 2, "encoded": 2}
    assert bob.digests() == ann.digests()


def test_content_that_is_gone_from_under_its_record_is_sent_again(folder: Path, machine: MakeGame) -> None:
    machine("ann", str(folder)).build()
    for path in (folder / "cas").iterdir():
        path.unlink()
    bob = machine("bob", str(folder))
    assert (bob.counts(), warnings(bob)) == (MADE, [])
    assert machine("carl", str(folder)).counts(frozen=True) == {"restored": 2}


def test_no_build_without_a_cache_loads_it(machine: MakeGame, tmp_path: Path) -> None:
    import subprocess
    import sys

    from conftest import environment

    ann = machine("ann", [])
    code = (
        "import sys; from tydust_assetgen.cli import main; main(['build']); "
        "print(*[name for name in sys.modules if name.split('.')[0] in ('urllib3', 'fsspec', 'paramiko')"
        " or name.startswith('tydust_assetgen.cache')])"
    )
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, cwd=ann.root, env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_status_and_push(folder: Path, machine: MakeGame) -> None:
    ann = machine("ann", [])
    ann.build()
    assert "no cache is shared" in ann.run("cache", "status").stdout
    assert ann.run("cache", "push").returncode == 2
    machine("ann", str(folder))
    before = json.loads(ann.run("cache", "status", "--json").stdout)
    assert (before["records"], before["store_hits"], before["remotes"][0]["misses"]) == (4, 4, 4)
    assert json.loads(ann.run("cache", "push", "--json").stdout) == {"sent": 4, "there": 0, "left": 0}
    assert json.loads(ann.run("cache", "push", "one.ogg", "--json").stdout) == {"sent": 0, "there": 2, "left": 0}
    after = json.loads(ann.run("cache", "status", "--json").stdout)["remotes"][0]
    assert (after["hits"], after["misses"], after["trouble"]) == (4, 0, "")
    assert after["content_bytes"] == sum(map(len, content(folder).values()))
    shutil.rmtree(folder)
    gone = ann.run("cache", "status")
    assert (gone.returncode, "there is no such folder" in gone.stdout) == (1, True)
    lost = ann.run("cache", "push")
    assert (lost.returncode, "4 not sent" in lost.stderr) == (1, True)


def test_a_take_of_a_team_mate_is_the_same_sound(folder: Path, machine: MakeGame) -> None:
    ann = machine("ann", str(folder), ONE)
    ann.build()
    bob = machine("bob", str(folder), ONE)
    text = HEAD.format(remote=json.dumps(str(folder)), more="", timeout=20).replace(
        "duration = 2", "duration = 2\nalso = ['wav']"
    )
    bob.write(ONE, text)
    assert bob.counts(frozen=True) == {"finished": 1, "encoded": 1}
    assert bob.digests()["one.ogg"] == ann.digests()["one.ogg"]
    (path,) = records(folder, "takes")
    record = read_record("takes", path.name, path.read_bytes(), b"").record
    assert isinstance(record, TakeRecord)
    assert bob.project.store.has_object(record.audio.digest)
