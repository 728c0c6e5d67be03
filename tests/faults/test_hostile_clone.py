"""A clone may bring anything: links in `.assetgen` and in the asset tree, a store that somebody else has filled."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest
from conftest import Game

from tydust_assetgen.errors import AssetgenError
from tydust_assetgen.remote import DistrustError
from tydust_assetgen.remote.local import Directory
from tydust_assetgen.system import TEMPORARY_PREFIX, safe_folder
from tydust_assetgen.system.safe_folder import LinkError, SafeFolder, sweep_inside, write_inside

pytestmark = pytest.mark.skipif(os.name == "nt", reason="only administrators make links there")
OURS = f"{TEMPORARY_PREFIX}12-ab"
YEARS_AGO = (1_000_000_000, 1_000_000_000)


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """A folder of a person outside the project, with names of every kind."""
    folder = tmp_path / "precious"
    for name in ("thesis.txt", OURS, "ab" * 32, "ab/" + "ab" * 32, f"deep/{OURS}", "worker-1.log", "assets.state"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("years of work")
        os.utime(folder / name, YEARS_AGO)
    return folder


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


PLACES = (
    ".assetgen", ".assetgen/store", ".assetgen/logs", ".assetgen/store/tmp", ".assetgen/store/objects",
    ".assetgen/store/records", ".assetgen/store/adopted", ".assetgen/store/damaged",
)  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_no_folder_behind_a_link_is_touched(game: Game, precious: Path, place: str) -> None:
    game.slots({"a.wav": "a"})
    link = game.root / place
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(precious, target_is_directory=True)
    before = contents(precious)
    for words in (("build",), ("gc", "--max-size", "0"), ("build", "--force", "a.wav"), ("status",)):
        done = game.run(*words)
        assert "Traceback" not in done.stderr
        assert "bug" not in done.stderr
    assert contents(precious) == before
    assert link.is_symlink()


@pytest.mark.parametrize("place", [".assetgen", ".assetgen/logs", ".assetgen/store/objects"])
def test_a_link_on_the_way_is_named_with_what_to_do(game: Game, precious: Path, place: str) -> None:
    game.slots({"a.wav": "a"})
    link = game.root / place
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(precious, target_is_directory=True)
    done = game.run("build")
    assert done.returncode == 1
    assert f"{place}` is a link" in done.stderr
    assert "hint: delete the link" in done.stderr
    link.unlink()
    assert game.run("build").returncode == 0


@pytest.mark.parametrize("name", [".assetgen/logs/worker-1.log", ".assetgen/logs/bug.log", ".assetgen/build.lock"])
def test_no_file_behind_a_link_is_written(game: Game, precious: Path, name: str) -> None:
    game.slots({"a.wav": "a"}, trouble="crash")
    (game.root / name).parent.mkdir(parents=True, exist_ok=True)
    (game.root / name).symlink_to(precious / "thesis.txt")
    before = contents(precious)
    assert game.run("build").returncode in (1, 3)
    assert contents(precious) == before


def test_a_state_behind_a_link_is_not_read_and_goes(game: Game, precious: Path) -> None:
    game.slots({"a.wav": "a"})
    game.build()
    state = game.project.state
    kept = precious / "assets.state"
    shutil.move(state, kept)
    state.symlink_to(kept)
    before = kept.read_bytes()
    assert game.run("check").returncode == 0
    assert game.run("build").returncode == 0
    assert kept.read_bytes() == before
    assert not state.is_symlink()


def test_only_names_of_our_form_are_swept(game: Game) -> None:
    game.slots({"a.wav": "a"})
    notes = [game.root / name for name in (f"{TEMPORARY_PREFIX}notes", f"{TEMPORARY_PREFIX}", "assets/.assetgen-tmp-x")]
    for path in notes:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    folder = game.root / ".assetgen/store/tmp"
    folder.mkdir(parents=True)
    for name in ("notes.txt", OURS):
        (folder / name).write_text("x")
    assert game.run("build").returncode == 0
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
    for folder in ("objects/no", "damaged", "records/takes"):
        (game.root / ".assetgen/store" / folder).mkdir(parents=True, exist_ok=True)
        (game.root / ".assetgen/store" / folder / "notes.txt").write_text("x")
    assert game.run("gc", "--max-size", "0").returncode == 0
    assert len(list((game.root / ".assetgen/store").rglob("notes.txt"))) == 4
    assert all(path.is_file() for path in notes)


def test_links_are_refused_also_without_handles_of_folders(
    tmp_path: Path, precious: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows, where no call of the system refuses a link by itself."""
    for name in ("_HANDLES", "NO_LINK", "_FOLDER"):
        monkeypatch.setattr(safe_folder, name, 0)
    folder = SafeFolder(tmp_path / "private")
    folder.write("logs/one", b"1", by_way_of="tmp")
    assert folder.read("logs/one", 10) == b"1"
    (tmp_path / "private/logs/worker-1.log").symlink_to(precious / "thesis.txt")
    (tmp_path / "private/deep").symlink_to(precious, target_is_directory=True)
    before = contents(precious)
    for work in (
        lambda: folder.read("logs/worker-1.log", 100),
        lambda: folder.open_to_append("logs/worker-1.log", empty=True),
        lambda: folder.read("deep/thesis.txt", 100),
        lambda: folder.write("deep/new", b"x"),
        lambda: folder.files("deep"),
    ):
        with pytest.raises(LinkError, match="is a link"):
            work()
    folder.sweep("logs")
    assert [file.name for file in folder.files("")] == ["logs/one"]
    assert contents(precious) == before


def test_temporary_files_go_wherever_we_write(game: Game) -> None:
    game.slots({"sub/a.wav": "a"})
    text = game.project.manifest.read_text()
    game.project.manifest.write_text(text.replace("[game]", '[game]\ncatalog = "data/music.json"', 1))
    left = [game.root / name / OURS for name in (".", "assets/sub", "assets/data", ".assetgen", ".assetgen/logs")]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("half")
    done = game.run("build")
    assert done.returncode == 0, done.stderr
    assert [path for path in left if path.exists()] == []


def git(root: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=root, check=True, capture_output=True)


def test_a_private_folder_that_git_tracks_is_no_store(game: Game) -> None:
    game.slots({"a.wav": "a"})
    game.build()
    git(game.root, "init", "--quiet")
    git(game.root, "add", "--force", ".assetgen")
    game.slots({"a.wav": "b"})
    for words in (("build",), ("build", "--frozen"), ("gc", "--max-size", "0"), ("adopt", "a.wav")):
        done = game.run(*words)
        assert done.returncode == 1
        assert "`.assetgen` is tracked by git" in done.stderr
        assert "git rm -r --cached --quiet .assetgen" in done.stderr
    git(game.root, "rm", "-r", "--cached", "--quiet", ".assetgen")
    assert game.run("build").returncode == 0


def test_the_private_folder_keeps_itself_out_of_git(game: Game) -> None:
    game.slots({"a.wav": "a"})
    game.build()
    git(game.root, "init", "--quiet")
    git(game.root, "add", "--all")
    listed = subprocess.run(["git", "ls-files"], cwd=game.root, check=True, capture_output=True, text=True).stdout
    assert listed.split() == ["assets.lock", "assets.toml", "assets/a.wav"]


def test_a_cache_folder_loses_nothing_that_is_not_ours(game: Game, precious: Path) -> None:
    for name in ("tmp/draft.txt", f"tmp/{OURS}"):
        (precious / name).parent.mkdir(exist_ok=True)
        (precious / name).write_text("years of work")
        os.utime(precious / name, YEARS_AGO)
    before = contents(precious)
    Directory(precious)
    game.slots({"a.wav": "a"})
    game.project.manifest.write_text(
        game.project.manifest.read_text() + f"\n[cache]\nremote = {str(precious)!r}\nread_only = true\n"
    )
    for words in (("build",), ("cache", "status")):
        game.run(*words)
    assert contents(precious) == before
    Directory(precious).put("x", b"first: it is marked, and nothing is swept")
    assert contents(precious).items() >= before.items()
    Directory(precious).put("x", b"second")
    gone = before.keys() - contents(precious).keys()
    assert gone == {f"tmp/{OURS}"}


def test_a_link_in_a_cache_folder_is_distrusted(tmp_path: Path, precious: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "objects").symlink_to(precious, target_is_directory=True)
    (cache / "tmp").symlink_to(precious, target_is_directory=True)
    before = contents(precious)
    with pytest.raises(DistrustError, match="is a link"):
        Directory(cache).get("objects/thesis.txt", 1000)
    with pytest.raises(DistrustError, match="is a link"):
        Directory(cache).put("records/x", b"x")
    assert not Directory(cache).has("objects/thesis.txt")
    assert contents(precious) == before


def test_a_folder_that_becomes_a_link_while_it_is_written_to_leads_nowhere(tmp_path: Path, precious: Path) -> None:
    """Swapped again and again, as fast as it goes, while 3,000 files are published."""
    tree, real, hidden = tmp_path / "tree", tmp_path / "tree/music", tmp_path / "tree/hidden"
    real.mkdir(parents=True)
    before, stop = contents(precious), threading.Event()

    def swap() -> None:
        while not stop.is_set():
            with contextlib.suppress(OSError):  # a new folder came in between
                real.rename(hidden)
                real.symlink_to(precious, target_is_directory=True)
            with contextlib.suppress(OSError):
                real.unlink()
            shutil.rmtree(real, ignore_errors=True)
            with contextlib.suppress(OSError):
                hidden.rename(real)

    swapping = threading.Thread(target=swap)
    swapping.start()
    refused = 0
    try:
        ends_s = time.monotonic() + 60
        for number in range(3000):
            try:
                write_inside(tree, f"music/{number % 7}.ogg", b"music")
            except (AssetgenError, OSError):
                refused += 1
            assert time.monotonic() < ends_s
    finally:
        stop.set()
        swapping.join()
    assert contents(precious) == before
    assert 0 < refused < 3000


def test_links_that_stay_in_the_tree_are_followed(tmp_path: Path) -> None:
    (tmp_path / "tree/real").mkdir(parents=True)
    (tmp_path / "tree/music").symlink_to(tmp_path / "tree/real", target_is_directory=True)
    write_inside(tmp_path / "tree", "music/a.ogg", b"music")
    assert (tmp_path / "tree/real/a.ogg").read_bytes() == b"music"
    (tmp_path / "tree/real" / OURS).write_text("half")
    sweep_inside(tmp_path / "tree", ["music/a.ogg"])
    assert [path.name for path in (tmp_path / "tree/real").iterdir()] == ["a.ogg"]


def test_what_a_safe_folder_does(tmp_path: Path) -> None:
    folder = SafeFolder(tmp_path / "private")
    assert folder.read("a/b", 10) is None
    assert not folder.has("a/b")
    assert folder.files("") == []
    folder.remove("a/b")
    folder.write("a/b", b"12345", by_way_of="tmp")
    assert (folder.read("a/b", 5), folder.read("a/b", 4), folder.size("a/b")) == (b"12345", None, 5)
    folder.move("a/b", "c/d/e")
    assert [(file.name, file.size) for file in folder.files("")] == [("c/d/e", 5)]
    (tmp_path / "private/link").symlink_to(tmp_path / "private/c/d/e")
    assert not folder.has("link")
    assert [file.name for file in folder.files("")] == ["c/d/e"]
    with pytest.raises(LinkError, match="link` is a link"):
        folder.read("link", 10)
    os.mkfifo(tmp_path / "private/pipe")
    assert folder.read("pipe", 10) is None
    with pytest.raises(OSError, match="pipe"):
        folder.open_to_append("pipe", empty=True)
    descriptor = folder.open_to_append("log", empty=False)
    os.write(descriptor, b"one line")
    os.close(descriptor)
    assert folder.read("log", 100) == b"one line"
    folder.prepare()
    assert "*" in (folder.read(".gitignore", 1000) or b"").decode().splitlines()
