"""One suite for every kind of remote, against real servers."""

from __future__ import annotations

import hashlib
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tydust_assetgen.remote import DistrustError
from tydust_assetgen.remote.address import Address, read_address
from tydust_assetgen.remote.remote import Remote, open_transport

from .conftest import MakeGame, every_kind, warnings


def _address(text: str) -> Address:
    found = read_address(text)
    assert isinstance(found, Address)
    return found


@every_kind
def test_what_is_put_is_got(cache: str, tmp_path: Path) -> None:
    way = open_transport(_address(cache), tmp_path, 20)
    data = bytes(range(256)) * 4000
    assert way.get("cas/one", 2_000_000) is None
    assert not way.has("cas/one")
    way.put("cas/one", data)
    assert way.has("cas/one")
    assert way.get("cas/one", len(data)) == data
    with pytest.raises(DistrustError):
        way.get("cas/one", len(data) - 1)
    way.put("cas/one", b"other")
    assert way.get("cas/one", 100) == b"other"
    assert not way.has("ac/one")


@every_kind
def test_many_at_once(cache: str, tmp_path: Path) -> None:
    way = open_transport(_address(cache), tmp_path, 20)
    contents = {f"cas/{number}": hashlib.sha256(b"%d" % number).digest() * 3000 for number in range(24)}
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(way.put, contents, contents.values()))
        got = list(threads.map(lambda name: way.get(name, 1_000_000), contents))
    assert got == list(contents.values())


@every_kind
def test_two_machines_write_the_same_name(cache: str, tmp_path: Path) -> None:
    ways = [open_transport(_address(cache), tmp_path, 20) for _ in range(2)]
    data = b"sound" * 50_000
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: ways[number % 2].put("cas/same", data), range(16)))
    assert ways[0].get("cas/same", len(data)) == data


@every_kind
def test_what_one_machine_made_another_gets(cache: str, machine: MakeGame) -> None:
    ann, bob = machine("ann", cache), machine("bob", cache)
    assert ann.counts() == {"generated": 2, "finished": 2, "encoded": 2}
    assert bob.counts(frozen=True) == {"restored": 2}
    assert bob.digests() == ann.digests()
    assert bob.project.lock_file.read_bytes() == ann.project.lock_file.read_bytes()
    assert warnings(ann) == warnings(bob) == []
    shutil.rmtree(bob.root)
    machine("bob", cache).project.lock_file.write_bytes(ann.project.lock_file.read_bytes())
    assert bob.counts(frozen=True) == {"restored": 2}
    assert bob.digests() == ann.digests()


@every_kind
def test_a_new_loudness_needs_no_generator(cache: str, machine: MakeGame) -> None:
    ann, bob = machine("ann", cache), machine("bob", cache)
    ann.counts()
    manifest = bob.root / "assets.toml"
    manifest.write_text(manifest.read_text().replace("duration = 2", "duration = 2\nloudness = -20"))
    assert bob.counts(frozen=True) == {"finished": 2, "encoded": 2}
    assert ann.digests().keys() == bob.digests().keys()
    assert set(ann.digests().values()).isdisjoint(bob.digests().values())


def test_an_unknown_host_key_is_refused(sshd: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple[str, str]] = []
    (tmp_path / ".ssh").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    remote = Remote(_address(sshd), tmp_path, 20, lambda *words: said.append(words))
    assert remote.get("ac/one", 100) is None
    assert "host key is not known" in said[0][0]


def test_names_of_the_ssh_configuration(sshd: str, tmp_path: Path) -> None:
    way = open_transport(_address(f"sftp://assets/{sshd.split('/', 3)[3]}"), tmp_path, 20)
    way.put("cas/by-name", b"data")
    assert open_transport(_address(sshd), tmp_path, 20).get("cas/by-name", 10) == b"data"
