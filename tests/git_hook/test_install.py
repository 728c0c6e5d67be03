"""Putting the hook in place and taking it away: what was there stays, wherever git looks, whatever the PATH."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import REPOSITORY

from .conftest import Repo

MakeRepo = Callable[..., Repo]
OWN = '#!/bin/sh\necho "own hook, $# words" >&2\n[ ! -e stop ]\n'


@pytest.fixture
def bare(make_repo: MakeRepo) -> Repo:
    """A repository without the hook, with the whole game staged."""
    made = make_repo(hook=False)
    made.git("add", "--all")
    return made


def hooks(repo: Repo, folder: str = ".git/hooks") -> dict[str, tuple[int, bytes]]:
    """Every hook with its mode and its text, but for git's samples."""
    found = sorted(path for path in (repo.root / folder).iterdir() if path.suffix != ".sample")
    return {path.name: (stat.S_IMODE(path.lstat().st_mode), path.read_bytes()) for path in found}


def done(repo: Repo, *words: str, cwd: Path | None = None) -> str:
    answer = repo.assetgen("hook", *words, "--json", cwd=cwd)
    assert answer.returncode == 0, answer.stderr
    return str(json.loads(answer.stdout)["done"])


def spoil(repo: Repo) -> None:
    """Something that the hook must refuse."""
    repo.game.path("music/a.wav").write_bytes(b"torn")
    repo.git("add", "--all")


def test_twice_is_as_once_and_nothing_is_left_behind(bare: Repo) -> None:
    assert hooks(bare) == {}
    assert done(bare, "install") == "installed"
    first = hooks(bare)
    assert list(first) == ["pre-commit"]
    assert first["pre-commit"][0] == 0o755
    assert done(bare, "install") == "unchanged"
    assert hooks(bare) == first
    spoil(bare)
    assert "refused: music/a.wav" in bare.refused()
    assert done(bare, "uninstall") == "removed"
    assert hooks(bare) == {}
    assert done(bare, "uninstall") == "absent"
    assert bare.commit() == ""


@pytest.mark.parametrize("mode", [0o755, 0o644])
def test_a_hook_that_is_there_runs_first_and_comes_back(bare: Repo, mode: int) -> None:
    own = bare.root / ".git/hooks/pre-commit"
    own.write_text(OWN)
    own.chmod(mode)
    before = hooks(bare)
    assert done(bare, "install") == "chained"
    assert done(bare, "install") == "unchanged"
    said = "own hook, 0 words\n" if mode == 0o755 else ""  # git does not run one that is not executable
    assert bare.commit() == said
    (bare.root / "stop").write_text("")
    bare.git("add", "--all")
    if said:
        assert bare.refused() == said
    (bare.root / "stop").unlink()
    spoil(bare)
    assert bare.refused().startswith(said + "refused: music/a.wav")
    assert done(bare, "uninstall") == "restored"
    assert hooks(bare) == before


def test_a_hook_that_is_a_link_stays_one(bare: Repo) -> None:
    tool = bare.root / "tools/check.sh"
    tool.parent.mkdir()
    tool.write_text(OWN)
    tool.chmod(0o755)
    own = bare.root / ".git/hooks/pre-commit"
    own.symlink_to("../../tools/check.sh")
    assert done(bare, "install") == "chained"
    assert bare.commit() == "own hook, 0 words\n"
    assert tool.read_text() == OWN
    assert done(bare, "uninstall") == "restored"
    assert os.readlink(own) == "../../tools/check.sh"


def test_core_hooks_path_counts(bare: Repo) -> None:
    bare.git("config", "core.hooksPath", "tools/git hooks")
    assert done(bare, "install") == "installed"
    assert list(hooks(bare, "tools/git hooks")) == ["pre-commit"]
    assert hooks(bare) == {}
    spoil(bare)
    assert "refused: music/a.wav" in bare.refused()
    assert done(bare, "uninstall", cwd=bare.root / "assets") == "removed"
    assert hooks(bare, "tools/git hooks") == {}


def test_from_a_worktree_all_of_them_get_it(bare: Repo, tmp_path: Path) -> None:
    bare.commit()
    bare.git("worktree", "add", "--quiet", "-b", "side", str(tmp_path / "side"))
    assert done(bare, "install", cwd=tmp_path / "side") == "installed"
    assert list(hooks(bare)) == ["pre-commit"]
    spoil(bare)
    assert "refused: music/a.wav" in bare.refused()


def test_a_hook_that_a_person_edited_is_not_thrown_away(bare: Repo) -> None:
    done(bare, "install")
    hook = bare.root / ".git/hooks/pre-commit"
    hook.write_text(hook.read_text().replace("judge()", "echo mine\njudge()"))
    edited = hook.read_bytes()
    for word in ("install", "uninstall"):
        answer = bare.assetgen("hook", word)
        assert answer.returncode == 2
        assert "our hook was edited since it was installed" in answer.stderr
        assert hook.read_bytes() == edited


def test_an_older_hook_of_ours_is_brought_up_to_date(bare: Repo) -> None:
    done(bare, "install")
    hook = bare.root / ".git/hooks/pre-commit"
    now = hook.read_bytes()
    from tydust_assetgen.git_hook import install

    text = now.decode().rpartition(install._SEAL)[0].replace("exit 0 # no music", "exit 0 # none")
    hook.write_text(f"{text}{install._SEAL}{install._seal(text)}\n")
    assert done(bare, "install") == "updated"
    assert hook.read_bytes() == now


def with_path(repo: Repo, *programs: str) -> Path:
    """A folder to be all of the PATH, with only these programs."""
    folder = repo.root.parent / "path"
    folder.mkdir()
    for name in programs:
        (folder / name).symlink_to(str(shutil.which(name)))
    return folder


def hook_without_notes(repo: Repo) -> Path:
    """The script as it lies in `hooks/`, copied by hand."""
    hook = repo.root / ".git/hooks/pre-commit"
    shutil.copy(REPOSITORY / "hooks/pre-commit", hook)
    return hook


def test_a_gui_with_a_bare_path_finds_the_place_that_was_noted(bare: Repo) -> None:
    done(bare, "install")
    spoil(bare)
    answer = bare.run("git", "commit", "-m", "from a GUI", PATH=str(with_path(bare, "git")))
    assert answer.returncode == 1
    assert "refused: music/a.wav" in answer.stderr


def test_without_a_noted_place_the_path_is_searched(bare: Repo) -> None:
    hook_without_notes(bare)
    spoil(bare)
    assert "refused: music/a.wav" in bare.refused()
    (with_path(bare, "git") / "python3").symlink_to(bare.bin / "python3")  # leads nowhere
    path = bare.root.parent / "path"
    (path / "python").write_text((bare.bin / "assetgen").read_text().replace(" -m tydust_assetgen", ""))
    (path / "python").chmod(0o755)
    answer = bare.run("git", "commit", "-m", "by python -m", PATH=str(path))
    assert "refused: music/a.wav" in answer.stderr


def test_where_assetgen_is_gone_the_commit_is_refused_with_a_hint(bare: Repo) -> None:
    hook = hook_without_notes(bare)
    hook.write_text(hook.read_text().replace("noted_assetgen=''", "noted_assetgen=/gone/bin/assetgen"))
    path = str(with_path(bare, "git"))
    answer = bare.run("git", "commit", "-m", "nobody looks", PATH=path)
    assert (answer.returncode, bare.head()) == (1, "")
    assert "error: the hook of assetgen can't find assetgen" in answer.stderr
    assert "hint: install assetgen, or run `assetgen hook install`" in answer.stderr
    bare.git("rm", "-rq", "--cached", ".")
    (bare.root / "code.c").write_text("")
    bare.git("add", "code.c")
    assert bare.run("git", "commit", "-m", "no music at all here", PATH=path).returncode == 0


def test_a_noted_program_that_no_longer_starts_is_passed_by(bare: Repo) -> None:
    hook = hook_without_notes(bare)
    dead = bare.root.parent / "dead"
    dead.write_text("#!/gone/bin/python\n")
    dead.chmod(0o755)
    hook.write_text(hook.read_text().replace("noted_assetgen=''", f"noted_assetgen='{dead}'"))
    spoil(bare)
    assert "refused: music/a.wav" in bare.refused()


def test_the_script_to_copy_is_the_one_that_is_installed() -> None:
    copied = REPOSITORY / "hooks/pre-commit"
    assert copied.read_bytes() == (REPOSITORY / "tydust_assetgen/git_hook/pre-commit.sh").read_bytes()
    assert os.access(copied, os.X_OK)


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox", "ksh", "zsh"])
def test_the_script_is_plain_shell(shell: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"no {shell} here")
    words = [shell, "sh"] if shell == "busybox" else [shell]
    subprocess.run([*words, "-n", str(REPOSITORY / "hooks/pre-commit")], check=True)


def test_outside_of_a_repository(tmp_path: Path, bare: Repo) -> None:
    answer = bare.assetgen("hook", "install", cwd=tmp_path)
    assert answer.returncode == 2
    assert "error: this is no git repository" in answer.stderr
