"""Commits of a real repository: which come to be, which do not, what is said, and that the hints mend it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from conftest import HEAD, REPOSITORY, Game

from tydust_assetgen.building.pool import Pool

from .conftest import Repo, clean

MakeRepo = Callable[..., Repo]


def reword(repo: Repo, old: str = "first", new: str = "other") -> None:
    manifest = repo.game.root / "assets.toml"
    manifest.write_text(manifest.read_text().replace(f'"{old}"', f'"{new}"'))


def rebuild(repo: Repo) -> None:
    reword(repo)
    assert repo.game.counts()["generated"] == 1


def test_the_first_commit_of_a_whole_game_is_silent(make_repo: MakeRepo) -> None:
    repo = make_repo()
    repo.git("add", "--all")
    assert repo.commit() == ""


def test_a_first_commit_without_the_lock_file_is_refused(make_repo: MakeRepo) -> None:
    repo = make_repo()
    repo.git("add", "assets.toml", "assets", ".gitignore")
    said = repo.refused()
    assert "refused: music/a.wav: it is built, but `assets.lock` is not staged with it" in said
    assert "2 of 2 slots are not staged" in said
    repo.mend(said)
    assert repo.commit() == ""


def test_a_staged_manifest_with_an_unstaged_lock_is_refused(repo: Repo) -> None:
    rebuild(repo)
    repo.git("add", "assets.toml")
    said = repo.refused()
    assert "refused: music/a.wav: it is built, but `assets.lock` is not staged with it: prompt" in said
    assert "  hint: `git add -- assets.lock assets/music/a.wav assets/music/a.flac`\n" in said
    assert "1 of 2 slots" in said
    repo.mend(said)
    assert repo.commit() == ""


def test_a_staged_manifest_that_was_not_built_is_refused(repo: Repo) -> None:
    reword(repo)
    repo.git("add", "assets.toml")
    said = repo.refused()
    assert 'refused: music/a.wav: prompt: "first" -> "other"' in said.replace("first.", "first").replace(
        "other.", "other"
    )
    assert "hint: `assetgen build music/a.wav && git add -- assets.lock" in said
    repo.mend(said)
    assert repo.commit() == ""


def test_a_manifest_that_goes_on_being_edited_is_judged_as_it_is_staged(repo: Repo) -> None:
    rebuild(repo)
    repo.git("add", "--all")
    reword(repo, "other", "third")  # not staged
    assert repo.commit() == ""
    repo.git("add", "assets.toml")
    reword(repo, "third", "fourth")
    said = repo.refused()
    assert "hint: `git add -- assets.toml && assetgen build music/a.wav && git add -- assets.lock" in said


@pytest.mark.parametrize("left_out", ["assets/music/a.wav", "assets/music/a.flac"])
def test_an_output_that_is_not_staged_with_its_lock_is_refused(repo: Repo, left_out: str) -> None:
    rebuild(repo)
    repo.git("add", "--all")
    repo.git("reset", "--quiet", "--", left_out)
    said = repo.refused()
    assert f"refused: music/a.wav: `{left_out}` is staged with digest" in said
    assert f"  hint: `git add -- {left_out}`\n" in said
    repo.mend(said)
    assert repo.commit() == ""


def test_an_output_that_is_staged_without_its_lock_is_refused(repo: Repo) -> None:
    rebuild(repo)
    repo.git("checkout", "--quiet", "HEAD", "--", "assets.toml")
    repo.git("add", "assets/music/a.wav")
    said = repo.refused()
    assert "`assets/music/a.wav` is staged with digest" in said
    assert "  hint: `git add -- assets.lock`\n" in said


def test_an_output_that_a_person_changed_is_refused_until_it_is_adopted(repo: Repo) -> None:
    path = repo.game.path("music/a.wav")
    path.write_bytes(repo.game.path("music/a.flac").read_bytes()[:0] + path.read_bytes() + b"mine")
    repo.git("add", "--all")
    said = repo.refused()
    assert "hint: `assetgen adopt music/a.wav && git add -- assets.lock assets/music/a.wav`" in said
    repo.mend(said)
    assert repo.commit() == ""


def test_an_untracked_output_is_refused(repo: Repo) -> None:
    repo.git("rm", "--quiet", "--cached", "assets/music/a.wav")
    said = repo.refused()
    assert "refused: music/a.wav: `assets/music/a.wav` is not in git\n  hint: `git add -- assets/music/a.wav`\n" in said


def test_an_output_that_gitignore_keeps_out_is_refused(repo: Repo) -> None:
    repo.git("rm", "--quiet", "--cached", "assets/music/a.flac")
    (repo.root / ".gitignore").write_text(".assetgen/\n*.flac\n")
    said = repo.refused()
    assert "`assets/music/a.flac` is not in git: `.gitignore` keeps it out" in said
    repo.mend(said)
    (repo.root / "new.txt").write_text("something to commit")
    repo.git("add", "new.txt", ".gitignore")
    assert repo.commit() == ""


def test_a_deleted_output_is_refused(repo: Repo) -> None:
    repo.git("rm", "--quiet", "assets/music/b.ogg")
    said = repo.refused("-a")
    assert "refused: music/b.ogg: `assets/music/b.ogg` is missing or deleted" in said
    assert "hint: `assetgen build music/b.ogg && git add -- assets.lock assets/music/b.ogg`" in said


def test_a_link_is_no_output(repo: Repo) -> None:
    path = repo.game.path("music/a.wav")
    path.rename(path.with_name("elsewhere.bin"))
    path.symlink_to("elsewhere.bin")
    repo.git("add", "assets/music/a.wav")
    assert "`assets/music/a.wav`: it is staged as a link, and must be a file" in repo.refused()


def test_the_working_tree_does_not_matter(repo: Repo) -> None:
    rebuild(repo)
    repo.git("add", "--all")
    (repo.root / "assets.toml").write_text("this is [ no manifest")
    (repo.root / "assets.lock").unlink()
    repo.game.path("music/a.wav").write_bytes(b"torn")
    assert repo.commit() == ""


def test_a_manifest_that_is_no_manifest_is_refused_with_its_line(repo: Repo) -> None:
    (repo.root / "assets.toml").write_text(HEAD + '[music]\n"a.wav" = 3\n')
    repo.git("add", "assets.toml")
    said = repo.refused()
    assert "error: assets.toml:8: a.wav: a slot must be a text" in said


def test_a_manifest_that_was_broken_before_does_not_hold_up_others(repo: Repo) -> None:
    (repo.root / "assets.toml").write_text("a [ is broken")
    repo.git("add", "--all")
    repo.commit("--no-verify")
    (repo.root / "a.c").write_text("its name stands in the manifest")
    repo.git("add", "a.c")
    assert repo.commit() == ""


def test_a_lock_file_with_a_conflict_in_it_is_refused(repo: Repo) -> None:
    lock = repo.root / "assets.lock"
    lock.write_text(lock.read_text().replace('  "title"', '<<<<<<< mine\n\n=======\n  "title"', 1))
    repo.git("add", "assets.lock")
    said = repo.refused()
    assert "`assets.lock` has a merge conflict: 2 of its blocks" in said


def test_a_commit_without_music_is_silent_whatever_the_music_is_like(repo: Repo) -> None:
    reword(repo)
    repo.git("add", "--all")
    repo.commit("--no-verify")
    (repo.root / "code.c").write_text("int main;")
    (repo.root / "assets/boom.wav").write_text("an effect that assetgen does not make")
    repo.git("add", "code.c", "assets/boom.wav")
    assert repo.commit() == ""
    assert repo.assetgen("check", "--staged", "--all").returncode == 1


def test_commit_all_and_commit_of_named_files(repo: Repo) -> None:
    rebuild(repo)
    said = repo.refused("assets.toml")
    assert "you named files to `git commit`" in said
    repo.commit("assets.toml", "assets.lock", "assets")
    reword(repo, "other", "third")
    assert "prompt" in repo.refused("-a")
    repo.game.build()
    assert repo.commit("-a") == ""


def test_several_manifests_in_subfolders_and_a_person_in_one_of_them(make_repo: MakeRepo, shelf: Path) -> None:
    repo = make_repo(below="games/one")
    subprocess.run(["cp", "-r", str(shelf / "game"), str(repo.root / "games/two")], check=True)
    (repo.root / "games/two/assets.toml").rename(repo.root / "games/two/songs.toml")
    (repo.root / "games/two/assets.lock").rename(repo.root / "games/two/songs.lock")
    repo.git("add", "--all")
    assert repo.commit() == ""
    reword(repo)
    other = repo.root / "games/two/songs.toml"
    other.write_text(other.read_text().replace('"second"', '"else"'))
    repo.git("add", "--all")
    inner = repo.root / "games/one/assets"
    said = repo.refused(cwd=inner)
    assert "hint: `assetgen -C .. build music/a.wav && git add -- ../assets.lock music/a.wav music/a.flac`" in said
    assert "hint: `assetgen -C ../../two --manifest songs.toml build music/b.ogg &&" in said
    assert "2 of 4 slots" in said
    repo.mend(said, cwd=inner)
    assert repo.commit(cwd=inner) == ""


def test_names_with_spaces_quotes_and_letters_of_other_alphabets(make_repo: MakeRepo) -> None:
    repo = make_repo(below="ein spiel")
    slot = "müsik/käse 'n brot 音.wav"
    repo.game.slots({slot: "strange"})
    repo.game.build()
    repo.git("add", "--all")
    repo.commit()
    repo.game.path(slot).write_bytes(b"RIFF torn")
    repo.git("add", "--all")
    said = repo.refused()
    assert f"refused: {slot}: `ein spiel/assets/{slot}` is staged with digest" in said
    repo.game.path(slot).unlink()
    repo.mend(repo.refused())
    (repo.root / "x").write_text("")
    repo.git("add", "x")
    assert repo.commit() == ""


def test_in_a_worktree(repo: Repo, tmp_path: Path) -> None:
    repo.git("worktree", "add", "--quiet", "-b", "side", str(tmp_path / "side"))
    there = tmp_path / "side/assets.toml"
    there.write_text(there.read_text().replace('"first"', '"aside"'))
    done = repo.run("git", "commit", "-qam", "side", cwd=tmp_path / "side")
    assert done.returncode == 1
    assert "refused: music/a.wav: prompt" in done.stderr


def test_a_merge_and_a_rebase(repo: Repo) -> None:
    repo.git("checkout", "--quiet", "-b", "side")
    reword(repo, "second", "deux")
    repo.game.build()
    repo.commit("-a")
    repo.git("checkout", "--quiet", "main")
    rebuild(repo)
    repo.commit("-a")
    repo.git("merge", "--quiet", "--no-commit", "side")
    assert repo.commit() == ""
    repo.git("checkout", "--quiet", "side")
    reword(repo, "first", "third")
    repo.game.build()
    repo.commit("-a")
    assert repo.run("git", "rebase", "main").returncode == 1  # both changed the first slot
    repo.git("checkout", "--quiet", "--ours", "assets.toml", "assets.lock", "assets")
    reword(repo, "other", "fifth")
    repo.git("add", "--all")
    said = repo.run("git", "commit", "-m", "picked")
    assert said.returncode == 1
    repo.mend(said.stderr)
    repo.git("rebase", "--continue")
    assert repo.git("status", "--porcelain") == ""


def test_a_reference_is_heard_as_it_is_staged(repo: Repo) -> None:
    sound = repo.root / "theme.wav"
    sound.write_bytes(repo.game.path("music/a.wav").read_bytes())
    repo.game.slots({"music/a.wav": "first"}, follow="theme.wav")
    repo.game.build(prune=True)
    repo.git("add", "--all")
    repo.git("reset", "--quiet", "theme.wav")
    said = repo.refused()
    assert "music/a.wav: `theme.wav` is not staged\n  hint: `git add theme.wav` first" in said
    repo.git("add", "theme.wav")
    assert repo.commit() == ""
    sound.write_bytes(sound.read_bytes()[:-4])
    repo.git("add", "theme.wav")
    assert "refused: music/a.wav: references.theme.wav:" in repo.refused()


def test_a_game_that_does_not_commit_its_music(make_repo: MakeRepo) -> None:
    repo = make_repo()
    (repo.root / ".gitignore").write_text(".assetgen/\nassets/\n")
    repo.git("add", "--all")
    assert repo.commit() == ""  # the lock file alone: others get the music elsewhere
    reword(repo)
    assert "refused: music/a.wav: prompt" in repo.refused("-a")
    (repo.root / ".gitignore").write_text(".assetgen/\nassets/\nassets.lock\n")
    repo.git("rm", "--quiet", "--cached", "assets.lock")
    assert repo.commit("-a") == ""


def pointer(data: bytes) -> bytes:
    oid = sha256(data).hexdigest()
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {len(data)}\n".encode()


def stage_bytes(repo: Repo, path: str, data: bytes) -> None:
    done = subprocess.run(
        ["git", "hash-object", "-w", "--stdin"], cwd=repo.root, input=data, capture_output=True, check=True
    )
    repo.git("update-index", "--cacheinfo", f"100644,{done.stdout.decode().strip()},{path}")


def test_an_output_in_git_lfs_is_compared_by_its_pointer(make_repo: MakeRepo) -> None:
    repo = make_repo()
    (repo.root / ".gitattributes").write_text("*.wav filter=lfs diff=lfs merge=lfs -text\n")
    script = repo.root.parent / "clean.py"  # what `git lfs clean` prints
    script.write_text(
        "import sys, hashlib; data = sys.stdin.buffer.read(); print('version https://git-lfs.github.com/spec/v1');"
        "print('oid sha256:' + hashlib.sha256(data).hexdigest()); print('size', len(data))"
    )
    repo.git("config", "filter.lfs.clean", f"'{sys.executable}' '{script}'")
    repo.git("add", "--all")
    assert repo.git("show", ":assets/music/a.wav").startswith("version https://git-lfs")
    assert repo.commit() == ""
    stage_bytes(repo, "assets/music/a.wav", pointer(b"another sound"))
    said = repo.refused()
    assert "refused: music/a.wav: the Git LFS pointer of `assets/music/a.wav` is staged with digest" in said
    assert sha256(b"another sound").hexdigest()[:12] in said
    repo.mend(said)
    assert repo.git("diff", "--cached", "--name-only") == ""


@pytest.mark.skipif(not shutil.which("git-lfs"), reason="git-lfs is not installed")
def test_with_the_real_git_lfs(make_repo: MakeRepo) -> None:
    repo = make_repo()
    for words in (("install", "--local"), ("track", "*.wav")):
        repo.git("lfs", *words)
    repo.git("add", "--all")
    assert repo.git("show", ":assets/music/a.wav").startswith("version https://git-lfs")
    assert repo.commit() == ""
    rebuild(repo)
    repo.git("add", "assets.toml", "assets.lock", "assets/music/a.flac")
    said = repo.refused()
    assert "refused: music/a.wav: the Git LFS pointer of `assets/music/a.wav` is staged with digest" in said
    repo.mend(said)
    assert repo.commit() == ""


def test_a_filter_that_git_has_for_a_file_is_undone_before_it_is_judged(make_repo: MakeRepo) -> None:
    repo = make_repo()
    (repo.root / ".gitattributes").write_text("*.wav filter=swap -text\n")
    repo.git("config", "filter.swap.clean", "tr abcd bcda")
    repo.git("config", "filter.swap.smudge", "tr bcda abcd")
    repo.git("add", "--all")
    assert repo.commit() == ""
    stage_bytes(repo, "assets/music/a.wav", b"another sound")
    assert "`assets/music/a.wav` is staged with digest" in repo.refused()


def test_what_is_remembered_is_right_or_not_believed(repo: Repo) -> None:
    memory = repo.root / ".git/assetgen/staged"
    good = memory.read_bytes()
    assert good.count(b"\nblob ") == 4
    assert good.count(b"\nright ") == 2
    assert good.count(b"\nwhole\t") == 1
    other = b"RIFF of another sound"
    stage_bytes(repo, "assets/music/a.wav", other)
    assert "is staged with digest" in repo.refused()
    locked = repo.game.locked()["music/a.wav"]
    lied = memory.read_bytes().replace(sha256(other).hexdigest().encode(), locked.encode())
    memory.write_bytes(lied)  # as if a disk had mixed it up
    assert "is staged with digest" in repo.refused()
    for damaged in (b"", good[: len(good) // 2], good[:-1], b"\xff\n" * 3):
        memory.write_bytes(damaged)
        assert "is staged with digest" in repo.refused()
        assert memory.read_bytes().count(b"\nright ") == 1


def test_what_was_judged_before_is_not_judged_again_and_nothing_else_is_taken_for_it(repo: Repo) -> None:
    script = (
        "import sys; from tydust_assetgen.cli import main; code = main(['check', '--staged']); "
        "print(code, 'tydust_assetgen.git_hook.check' in sys.modules)"
    )

    def asked() -> str:
        return repo.run(sys.executable, "-c", script).stdout.strip()

    rebuild(repo)
    repo.git("add", "--all")
    assert [asked(), asked()] == ["0 True", "0 False"]
    assert repo.assetgen("check", "--staged", "--json").stdout.split() == [
        "{",
        '"right":',
        "2,",
        '"refusals":',
        "[]",
        "}",
    ]
    (repo.root / "notes.txt").write_text("of no interest")
    repo.git("add", "notes.txt")
    assert asked() == "0 False"
    stage_bytes(repo, "assets/music/a.wav", b"another sound")
    assert [asked(), asked()] == ["1 True", "1 True"]
    repo.git("add", "--all")
    assert asked() == "0 False"
    repo.git("rm", "--quiet", "--cached", "assets/music/a.wav")
    assert asked() == "1 True"


def test_what_gitignore_has_decided_is_asked_again(make_repo: MakeRepo) -> None:
    repo = make_repo()
    ignore = repo.root / ".gitignore"
    ignore.write_text(".assetgen/\nassets/\n")
    repo.git("add", "--all")
    assert repo.assetgen("check", "--staged").returncode == 0
    ignore.write_text(".assetgen/\n")
    repo.git("add", ".gitignore")
    assert "`assets/music/a.wav` is not in git\n" in repo.refused()


def test_json(repo: Repo) -> None:
    rebuild(repo)
    repo.git("add", "assets.toml")
    done = repo.assetgen("check", "--staged", "--json")
    paper = json.loads(done.stdout)
    assert done.returncode == 1
    assert paper["right"] == 1
    assert [(one["manifest"], one["slot"]) for one in paper["refusals"]] == [("assets.toml", "music/a.wav")]
    assert paper["refusals"][0]["mend"] == ["git add -- assets.lock assets/music/a.wav assets/music/a.flac"]
    assert repo.assetgen("check", "--staged", "music/b.ogg").returncode == 0
    assert repo.assetgen("check", "--staged", "music/c.ogg").returncode == 2


def test_a_manifest_can_be_named(repo: Repo) -> None:
    for name in ("toml", "lock"):
        repo.git("mv", f"assets.{name}", f"songs.{name}")
    assert repo.assetgen("--manifest", "songs.toml", "check", "--staged", "-v").stderr.endswith("right: 2 slots\n")
    done = repo.assetgen("--manifest", "other.toml", "check", "--staged")
    assert (done.returncode, done.stderr) == (
        2,
        "error: `other.toml` is not in the index\n  hint: `git add other.toml`\n",
    )
    assert repo.assetgen("check", "--all").returncode == 2


def test_outside_of_a_repository(tmp_path: Path, repo: Repo) -> None:
    done = repo.assetgen("check", "--staged", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "error: this is no git repository\n  hint: `git init` makes one\n"


def test_nothing_heavy_is_loaded(tmp_path: Path, repo: Repo) -> None:
    """Not even for a refusal. A commit without music loads none of our own papers either."""
    (tmp_path / "assets.toml").write_text('[game]\nname = "T"\n[music]\n"a.ogg" = "calm synthwave in D minor"\n')
    repo.git("init", "--quiet", cwd=tmp_path)
    (tmp_path / "x").write_text("")
    for added, code, unwanted in (
        ("x", 0, ("msgspec", "tomli", "argparse")),
        ("assets.toml", 1, ("argparse",)),
    ):
        repo.git("add", added, cwd=tmp_path)
        heavy = (*unwanted, "numpy", "scipy", "soundfile", "rich", "torch", "watchdog")
        script = (
            "import sys; from tydust_assetgen.cli import main; code = main(['check', '--staged']); "
            f"print(code, *[name for name in {heavy!r} if name in sys.modules])"
        )
        bare = {**clean(), "PYTHONPATH": str(REPOSITORY)}  # without the tests' plug-in, which loads numpy itself
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=tmp_path, env=bare, capture_output=True, text=True, check=True
        )
        assert done.stdout.split() == [str(code)], done.stderr


def staged(folder: Path, pool: Pool) -> Game:
    """A game that is built, and staged whole."""
    folder.mkdir(exist_ok=True)
    game = Game(folder, pool)
    game.slots({"a.wav": "a"})
    game.build()
    for words in (["init", "--quiet"], ["add", "--all"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    assert game.run("check", "--staged").returncode == 0
    return game


@pytest.mark.skipif(os.name == "nt", reason="no such names there")
def test_any_name_of_the_repository_will_do(tmp_path: Path, pool: Pool) -> None:
    game = staged(tmp_path / "a\nb \x1b[2J\u202e", pool)
    game.slots({"a.wav": "b"})
    subprocess.run(["git", "add", "--all"], cwd=game.root, check=True)
    done = game.run("check", "--staged")
    assert done.returncode == 1
    assert done.stderr.startswith("refused: a.wav: ")


def test_a_private_folder_is_not_committed(tmp_path: Path, pool: Pool) -> None:
    game = staged(tmp_path, pool)
    subprocess.run(["git", "add", "--force", ".assetgen"], cwd=tmp_path, check=True)
    done = game.run("check", "--staged")
    assert done.returncode == 1
    assert done.stderr == (
        "refused: `.assetgen` is staged, but what lies in it is for this machine alone: store, logs, what the last "
        "build saw\n  hint: `git rm -r --cached --quiet -- .assetgen`\n"
    )
    subprocess.run(["git", "rm", "-r", "--cached", "--quiet", "--", ".assetgen"], cwd=tmp_path, check=True)
    assert game.run("check", "--staged").returncode == 0
