"""What the disk may do to our own files: cut the lock file, flip bits in the store, break the state."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Game
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tydust_assetgen.errors import AssetgenError
from tydust_assetgen.project.lockfile import LockFile
from tydust_assetgen.project.state import read_state
from tydust_assetgen.store import Store

THREE = {"a.wav": "first", "b.wav": "second", "c.wav": "third"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, pool: object) -> Game:
    game = Game(tmp_path_factory.mktemp("game"), pool)  # type: ignore[arg-type]
    game.slots(THREE)
    game.build()
    return game


def test_a_lock_file_cut_at_any_byte_gives_whole_entries_or_none(built: Game) -> None:
    data = built.project.lock_file.read_bytes()
    whole = {slot: built.lock.entry(slot) for slot in THREE}
    for cut in range(len(data)):
        lock = LockFile(data[:cut])
        entries = {slot: lock.entry(slot) for slot in lock.blocks}
        assert all(entry in (None, whole[slot]) for slot, entry in entries.items())
        lost = len(THREE) - sum(entry is not None for entry in entries.values())
        assert lock.problems or lost == 0 or data[:cut].rstrip().endswith(b"}") or cut < 2


def test_the_next_build_heals_a_cut_lock_file(built: Game) -> None:
    data = built.project.lock_file.read_bytes()
    files = built.digests()
    for cut in range(0, len(data), len(data) // 12):
        built.project.lock_file.write_bytes(data[:cut])
        assert built.counts() == {"fresh": 3}
        assert built.project.lock_file.read_bytes() == data
        assert built.digests() == files


def test_a_merge_conflict_costs_its_own_blocks_only(built: Game) -> None:
    data = built.project.lock_file.read_bytes()
    blocks = data.split(b"\n\n")
    blocks[2] = b"<<<<<<< ours\n" + blocks[2] + b"\n=======\n" + blocks[2] + b"\n>>>>>>> theirs"
    built.project.lock_file.write_bytes(b"\n\n".join(blocks))
    assert set(built.lock.blocks) == {"a.wav", "c.wav"}
    assert "1 of its blocks can't be read" in built.lock.problems[0]
    assert built.counts() == {"fresh": 3}
    assert built.project.lock_file.read_bytes() == data


def test_a_lock_file_of_a_newer_assetgen_is_left_alone(built: Game) -> None:
    data = built.project.lock_file.read_bytes()
    newer = data.replace(b'"assetgen_lock": 1', b'"assetgen_lock": 99')
    built.project.lock_file.write_bytes(newer)
    with pytest.raises(AssetgenError, match="newer assetgen"):
        built.build()
    assert built.project.lock_file.read_bytes() == newer
    built.project.lock_file.write_bytes(data)
    assert built.counts() == {"fresh": 3}


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_any_bytes_are_a_lock_file_or_a_problem(data: bytes) -> None:
    lock = LockFile(data)
    assert lock.problems or not data.strip()
    assert all(lock.entry(slot) is None for slot in lock.blocks)


@pytest.mark.parametrize("at", [0, 20, 100, -40, -1])
def test_a_damaged_state_is_only_a_slower_build(built: Game, at: int) -> None:
    data = bytearray(built.project.state.read_bytes())
    data[at] ^= 0xFF
    built.project.state.write_bytes(bytes(data))
    assert built.counts() == {"fresh": 3}
    built.project.state.write_bytes(bytes(data[: len(data) // 2]))
    assert built.counts() == {"fresh": 3}


@settings(max_examples=100)
@given(st.binary(max_size=400))
def test_any_bytes_are_a_state_or_none(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("state") / "state"
    path.write_bytes(data)
    assert read_state(str(path)) is None


def test_a_flipped_bit_in_the_store_is_set_aside_and_made_again(built: Game) -> None:
    built.build()
    before = built.digests()
    store = built.root / ".assetgen/store"
    for path in _objects(store):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(bytes(data))
    built.path("a.wav").unlink()
    assert built.counts() == {"generated": 1, "finished": 1, "encoded": 1, "fresh": 2}
    assert built.digests() == before
    assert len(list((store / "damaged").iterdir())) == 3  # the file, its master and its take
    built.path("a.wav").unlink()
    assert built.counts() == {"restored": 1, "fresh": 2}


def test_digests_from_a_hostile_lock_file_never_become_paths(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("mine")
    store = Store(tmp_path / "store")
    (tmp_path / "store/objects").mkdir(parents=True)
    for digest in ("../../secret", "..", "", "/etc/passwd", "a" * 63, "A" * 64):
        assert not store.has_object(digest)
        assert store.read_object(digest) is None
    assert secret.read_text() == "mine"


def _objects(store: Path) -> list[Path]:
    return [path for path in (store / "objects").rglob("*") if path.is_file()]
