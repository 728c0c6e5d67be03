"""Sequences that a careless build gets wrong. Each of these once did."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import HEAD, Game

from tests.operations.test_adopt import own_music
from tydust_assetgen import events
from tydust_assetgen.building import journal
from tydust_assetgen.cli.fast_path import try_fast_path
from tydust_assetgen.errors import AssetgenError, UsageError
from tydust_assetgen.operations.adopt import adopt
from tydust_assetgen.planning.plan import plan
from tydust_assetgen.planning.snapshot import PlanRequest, observe_project
from tydust_assetgen.project import state
from tydust_assetgen.project.project import Project
from tydust_assetgen.system import write_atomic

ONE = {"a.ogg": "first"}


def test_a_build_in_which_nothing_became_fresh_leaves_a_state_that_reads(game: Game) -> None:
    game.slots(ONE, trouble="fail")
    assert game.counts() == {"failed": 1}
    game.slots(ONE)
    assert game.counts() == {"generated": 1, "finished": 1, "encoded": 1}


def test_another_asset_tree_is_filled(game: Game) -> None:
    game.slots(ONE)
    game.build()
    before = game.digests()
    text = (game.root / "assets.toml").read_text()
    (game.root / "assets.toml").write_text(text.replace('name = "Test"', 'name = "Test"\nassets = "sounds"'))
    assert try_fast_path(["-C", str(game.root), "build"]) is None
    assert game.counts() == {"restored": 1}
    assert (game.root / "sounds/a.ogg").exists()
    assert game.digests() == before


def test_a_lock_file_that_could_not_be_written_is_written_next_time(
    game: Game, monkeypatch: pytest.MonkeyPatch
) -> None:
    game.slots(ONE)

    def full(path: Path, data: bytes, **more: bool) -> None:
        if path.suffix == ".lock":
            raise OSError(28, "No space left on device")
        write_atomic(path, data, **more)

    with monkeypatch.context() as patch:
        patch.setattr(journal, "write_atomic", full)
        with pytest.raises(AssetgenError, match=r"can't write `assets\.lock`"):
            game.build()
    assert try_fast_path(["-C", str(game.root), "build"]) is None
    assert game.counts() == {"fresh": 1}
    assert game.locked() == game.digests()


def test_an_adopted_file_stays_a_persons_through_repairs_and_new_formats(game: Game) -> None:
    game.slots(ONE)
    game.build()
    mine = own_music(game.path("a.ogg"))
    adopt(game.project, "a.ogg")
    game.path("a.ogg").write_bytes(mine[:-50])
    assert game.counts() == {"restored": 1}
    game.slots(ONE, more='also = ["flac"]')
    assert game.counts() == {"encoded": 1}
    game.slots({"a.ogg": "edited"}, more='also = ["flac"]')
    assert game.counts() == {"generated": 1, "finished": 1, "encoded": 1, "blocked": 1}
    assert game.path("a.ogg").read_bytes() == mine


def test_an_adopted_file_survives_the_loss_of_the_lock_file_and_gc(game: Game) -> None:
    game.slots(ONE)
    game.build()
    mine = own_music(game.path("a.ogg"))
    adopt(game.project, "a.ogg")
    assert game.run("gc", "--max-size", "0MB").returncode == 0
    game.path("a.ogg").unlink()
    assert game.counts() == {"restored": 1}
    assert game.path("a.ogg").read_bytes() == mine
    game.project.lock_file.unlink()
    assert game.run("gc", "--max-size", "0MB").returncode == 0
    assert game.counts() == {"blocked": 1}
    assert game.path("a.ogg").read_bytes() == mine


def test_an_adopted_file_that_is_lost_for_good_is_not_replaced_in_silence(game: Game) -> None:
    import shutil

    game.slots(ONE)
    game.build()
    own_music(game.path("a.ogg"))
    adopt(game.project, "a.ogg")
    shutil.rmtree(game.project.private)
    game.path("a.ogg").unlink()
    assert game.counts() == {"blocked": 1}
    assert "hand-made, and missing" in game.run("status").stdout
    assert game.counts("a.ogg", force=True) == {"generated": 1, "finished": 1, "encoded": 1}


def test_an_adopted_file_is_not_pruned(game: Game) -> None:
    game.slots({**ONE, "b.ogg": "second"})
    game.build()
    mine = own_music(game.path("a.ogg"))
    adopt(game.project, "a.ogg")
    game.slots({"b.ogg": "second"})
    assert game.counts(prune=True) == {"fresh": 1}
    assert game.path("a.ogg").read_bytes() == mine


def test_notes_in_the_way_are_left_alone(game: Game) -> None:
    game.path("").mkdir()
    game.path("a.ogg").write_text("the score is in the drawer")
    game.slots(ONE)
    assert game.counts() == {"blocked": 1}
    assert game.path("a.ogg").read_text() == "the score is in the drawer"


def test_what_is_written_over_by_force_is_kept_aside(game: Game) -> None:
    game.slots(ONE)
    game.build()
    mine = own_music(game.path("a.ogg"))
    game.build("a.ogg", force=True)
    (kept,) = (game.project.private / "aside").iterdir()
    assert kept.read_bytes() == mine
    assert any(isinstance(event, events.Warned) and kept.name in event.message for event in game.told)


def test_pruning_beside_one_slot_leaves_the_files_of_others(game: Game) -> None:
    game.slots({"x.wav": "first", "o.wav": "other"})
    game.build()
    game.write('[music."x.flac"]\nprompt = "first"\nalso = ["wav"]\n[music."o.wav"]\nprompt = "other"\n')
    game.build()
    assert game.counts("o.wav", prune=True) == {"fresh": 1}
    assert game.path("x.wav").exists()
    assert game.path("x.flac").exists()


def test_a_path_that_moves_to_another_slot_is_ours(game: Game) -> None:
    import shutil

    game.slots({"a.wav": "first"})
    game.build()
    shutil.rmtree(game.project.private)
    game.write('[music."a.flac"]\nprompt = "second"\nalso = ["wav"]\n')
    assert game.counts() == {"generated": 1, "finished": 1, "encoded": 1}


def test_another_toolchain_is_no_glance(game: Game, monkeypatch: pytest.MonkeyPatch) -> None:
    game.slots(ONE)
    game.build()
    assert try_fast_path(["-C", str(game.root), "-q", "build"]) == 0
    monkeypatch.setattr(sys, "path", [*sys.path, "/another/venv/site-packages"])
    assert try_fast_path(["-C", str(game.root), "-q", "build"]) is None


@pytest.mark.parametrize("words", [["build", "-C"], ["--json", "build"], ["build", "a.ogg"], [], ["-q"]])
def test_a_glance_answers_only_what_it_understands(game: Game, words: list[str]) -> None:
    game.slots(ONE)
    game.build()
    assert try_fast_path(["-C", str(game.root), *words]) is None


def test_inodes_may_use_all_their_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stat(path: str) -> SimpleNamespace:
        real = os.stat(path)
        times = {"st_mtime_ns": real.st_mtime_ns, "st_ctime_ns": real.st_ctime_ns}
        return SimpleNamespace(st_size=real.st_size, st_ino=2**64 - 1, **times)

    (tmp_path / "file").write_text("x")
    with monkeypatch.context() as patch:
        patch.setattr(state, "stat", stat)
        found = state.stat_of(str(tmp_path / "file"))
        data = state.encode_state(
            "m", slot_count=1, watched={}, outputs={"file": (found, "d" * 64)}, slots={"s": ("f", ["file"])}
        )
        (tmp_path / "state").write_bytes(data)
        read = state.read_state(str(tmp_path / "state"))
        assert read is not None
        assert read.outputs_unchanged(str(tmp_path))
        assert read.slots == {"s": ("f", ["file"])}


def test_a_file_that_cant_be_read_is_left_alone(game: Game) -> None:
    game.slots({**ONE, "b.wav": "second"})
    game.build()
    game.path("a.ogg").unlink()
    game.path("a.ogg").symlink_to(game.path("a.ogg"))
    assert game.counts() == {"fresh": 1, "blocked": 1}
    assert "`a.ogg` can't be read" in game.run("status").stdout


def test_force_makes_a_batch_afresh(game: Game) -> None:
    game.write('[music."a.wav"]\nprompt = "one"\n[music."b.wav"]\nprompt = "two"\n', HEAD.replace('"tone"', '"choir"'))
    game.build()
    assert plan(observe_project(game.project, PlanRequest(slots=["a.wav"], force=True))).steps[0].action == "generate"
    assert game.counts("a.wav", force=True) == {"generated": 1, "finished": 1, "encoded": 1}


def test_a_rotten_object_is_replaced_by_force(game: Game) -> None:
    game.slots(ONE)
    game.build()
    for path in (game.project.private / "store/objects").rglob("*"):
        if path.is_file():
            path.write_bytes(bytes(path.stat().st_size))
    assert game.counts("a.ogg", force=True) == {"generated": 1, "finished": 1, "encoded": 1}


def test_long_names_in_any_script_can_be_published(game: Game) -> None:
    slot = "音" * 78 + ".wav"
    game.slots({slot: "first"})
    assert game.counts() == {"generated": 1, "finished": 1, "encoded": 1}
    assert game.counts() == {"fresh": 1}


def test_a_lock_entry_that_was_pulled_during_a_build_is_kept(game: Game) -> None:
    game.slots({"a.wav": "first", "z.wav": "last"})
    game.build()
    pulled = game.project.lock_file.read_bytes()
    game.slots({"a.wav": "edited", "z.wav": "last"})
    game.project.lock_file.write_bytes(pulled.split(b"\n\n")[0] + b"\n")

    def pull(event: events.Event) -> None:
        if isinstance(event, events.Started):
            game.project.lock_file.write_bytes(pulled)

    from tydust_assetgen.building.build import build

    build(game.project, emit=pull, pool=game.pool)
    assert sorted(game.lock.blocks) == ["a.wav", "z.wav"]
    assert game.locked() == game.digests()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("lint", "nope.ogg"), 2, "the manifest has no slot `nope.ogg`"),
        (("plot", "a.ogg", "-o", "."), 1, "error: "),
        (("midi", "a.ogg", "-o", "."), 1, "error: "),
        (("--manifest", "music.lock", "build"), 2, "is the name of a lock file"),
    ],
)
def test_a_persons_mistake_is_never_called_our_bug(game: Game, words: tuple[str, ...], code: int, message: str) -> None:
    game.slots(ONE)
    game.build()
    done = game.run(*words)
    assert done.returncode == code
    assert message in done.stderr
    assert "our own bug" not in done.stderr


def test_init_keeps_a_gitignore_in_any_encoding(game: Game) -> None:
    (game.root / ".gitignore").write_bytes("müll\n".encode("latin-1"))
    assert game.run("init").returncode == 0
    assert (game.root / ".gitignore").read_bytes().startswith("müll\n".encode("latin-1"))


def test_a_project_path_must_be_text() -> None:
    with pytest.raises(UsageError, match="not UTF-8"):
        Project.at(os.fsdecode(b"/tmp/\xff"))


def test_a_pointer_of_git_lfs_is_called_so_and_left_alone(game: Game) -> None:
    """As after a clone without Git LFS: the pointer names the very file that the lock file has."""
    game.slots({"a.wav": "a", "b.wav": "b"})
    game.build()
    path = game.path("a.wav")
    digest, size = game.digests()["a.wav"], path.stat().st_size
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {size}\n"
    path.write_text(pointer)
    done = game.run("check")
    assert done.returncode == 1
    assert "`a.wav` is only a pointer of Git LFS, which has not fetched the file yet" in done.stderr
    assert "hint: `git lfs pull` puts it right" in done.stderr
    done = game.run("build")
    assert done.returncode == 0
    assert "`git lfs pull` fetches it" in done.stderr
    assert "adopt" not in done.stderr
    frozen = game.run("build", "--frozen")
    assert frozen.returncode == 1
    assert "only a pointer of Git LFS" in frozen.stderr
    assert path.read_text() == pointer
    game.build("a.wav", force=True)
    assert game.digests()["a.wav"] == digest
