"""Under the real pre-commit framework, with our own `.pre-commit-hooks.yaml`, and no network.

pre-commit would make an environment for `language: python` by pip; here the language is `system`, so that it calls the
assetgen on the PATH. All else is as a person writes it.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import REPOSITORY

from .conftest import Repo

pytest.importorskip("pre_commit", reason="pre-commit is not installed")


@pytest.fixture
def framed(make_repo: Callable[..., Repo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repo:
    """A repository with the whole game staged, and pre-commit installed with our hook from a repository of its own."""
    monkeypatch.setenv("PRE_COMMIT_HOME", str(tmp_path / "pre-commit"))
    repo = make_repo(hook=False)
    ours = tmp_path / "ours"
    ours.mkdir()
    shutil.copy(REPOSITORY / ".pre-commit-hooks.yaml", ours)
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "hooks"]):
        repo.git(*words, cwd=ours)
    revision = repo.git("rev-parse", "HEAD", cwd=ours).strip()
    (repo.root / ".pre-commit-config.yaml").write_text(
        f"repos:\n- repo: {ours}\n  rev: {revision}\n  hooks:\n  - id: assetgen-check\n    language: system\n"
    )
    repo.git("add", "--all")
    done = repo.run(sys.executable, "-m", "pre_commit", "install")
    assert done.returncode == 0, done.stdout
    return repo


def test_commits_are_judged(framed: Repo) -> None:
    assert "music is what its manifest and lock file say" in framed.commit()
    framed.game.path("music/a.wav").write_bytes(b"torn")
    framed.git("add", "--all")
    assert "refused: music/a.wav: `assets/music/a.wav` is staged with digest" in framed.refused()


def test_a_commit_that_only_deletes_is_judged(framed: Repo) -> None:
    framed.commit()
    framed.git("rm", "--quiet", "assets/music/a.wav")
    assert "refused: music/a.wav: `assets/music/a.wav` is missing or deleted" in framed.refused()


def test_our_hook_and_the_framework_live_side_by_side(framed: Repo) -> None:
    """Whichever comes second chains the other one."""
    assert framed.assetgen("hook", "install").returncode == 0
    said = framed.commit()
    assert "music is what its manifest and lock file say" in said
    assert framed.assetgen("hook", "uninstall").returncode == 0
    framed.run(sys.executable, "-m", "pre_commit", "uninstall")
    assert not (framed.root / ".git/hooks/pre-commit").exists()
    framed.assetgen("hook", "install")
    framed.run(sys.executable, "-m", "pre_commit", "install")
    assert (framed.root / ".git/hooks/pre-commit.legacy").exists()
    framed.game.path("music/a.wav").write_bytes(b"torn")
    framed.git("add", "--all")
    assert framed.refused().count("refused: music/a.wav") == 2


def test_in_ci_all_is_judged_when_asked(framed: Repo) -> None:
    framed.game.path("music/a.wav").write_bytes(b"torn")
    framed.git("add", "--all")
    framed.commit("--no-verify")
    config = framed.root / ".pre-commit-config.yaml"
    words = ("run", "--all-files", "assetgen-check")
    assert framed.run(sys.executable, "-m", "pre_commit", *words).returncode == 0  # nothing is staged
    config.write_text(config.read_text() + "    args: [--all]\n")
    framed.git("add", "--all")
    done = framed.run(sys.executable, "-m", "pre_commit", *words)
    assert done.returncode == 1
    assert "refused: music/a.wav" in done.stdout
