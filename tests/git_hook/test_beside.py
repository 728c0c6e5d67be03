"""The catalogue, its code and what engines are told, as a real commit brings them: made from the staged lock file or
refused, with the command that mends it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

import pytest

from tydust_assetgen.exports.unity import LIST_NAME
from tydust_assetgen.git_hook.names import EXPORT_NAMES
from tydust_assetgen.manifest.settings import CODE

from .conftest import Repo
from .test_judging import pointer, reword, stage_bytes

CATALOG = "assets/catalog.json"
SIDECAR = "assets/music/b.ogg.import"
KEYS = 'name = "Test"\ncatalog = "catalog.json"\ncatalog_code = ["c"]\nengine = "godot"'


@pytest.fixture
def full(make_repo: Callable[..., Repo]) -> Repo:
    """A repository with the hook, and all of a game committed that asks for files beside its music."""
    made = make_repo()
    manifest = made.game.root / "assets.toml"
    manifest.write_text(manifest.read_text().replace('name = "Test"', KEYS))
    made.game.build()
    made.git("add", "--all")
    assert made.commit() == ""
    return made


def rebuild(repo: Repo) -> None:
    reword(repo)
    assert repo.game.counts()["generated"] == 1


def test_all_of_it_staged_is_silent(full: Repo) -> None:
    assert {CATALOG, SIDECAR, "assets/music.h"} <= set(full.git("ls-files").splitlines())
    rebuild(full)
    full.git("add", "--all")
    assert full.commit() == ""


def test_a_catalogue_that_is_not_staged_with_its_lock_is_refused(full: Repo) -> None:
    rebuild(full)
    full.git("add", "--all")
    full.git("reset", "--quiet", "--", CATALOG)
    said = full.refused()
    assert said == (
        f"refused: `{CATALOG}` is staged, but not as the staged `assets.lock` has the music\n"
        f"  hint: `git add -- {CATALOG}`\n"
        "1 of the files beside the music is not staged as the lock file says\n"
    )
    full.mend(said)
    assert full.commit() == ""


def test_it_is_refused_once_more_and_again(full: Repo) -> None:
    """Nothing that is wrong is remembered as right."""
    rebuild(full)
    full.git("add", "--all")
    full.git("reset", "--quiet", "--", CATALOG)
    assert full.refused() == full.refused()


@pytest.mark.parametrize("path", [CATALOG, "assets/music.h", SIDECAR])
def test_one_that_is_deleted_or_was_never_added_is_refused(full: Repo, path: str) -> None:
    full.git("rm", "--quiet", "--cached", path)
    said = full.refused()
    assert f"`{path}` is not in git\n  hint: `git add -- {path}`\n" in said
    (full.root / path).unlink()
    said = full.refused()
    assert f"`{path}` is missing or deleted" in said
    full.mend(said)
    (full.root / "x").write_text("")
    full.git("add", "x")
    assert full.commit() == ""


def test_a_sidecar_is_its_slots(full: Repo) -> None:
    path = full.root / SIDECAR
    path.write_text(path.read_text().replace("loop=true", "loop=false"))
    full.git("add", SIDECAR)
    said = full.refused()
    assert f"refused: music/b.ogg: `{SIDECAR}` is staged, but not as the staged `assets.lock` has the music" in said
    assert f"hint: `assetgen build music/b.ogg && git add -- assets.lock {SIDECAR}`" in said
    full.mend(said)
    assert full.git("diff", "--cached", "--name-only") == ""


def test_what_a_person_and_godot_put_into_a_sidecar_is_let_through(full: Repo) -> None:
    path = full.root / SIDECAR
    path.write_text(path.read_text().replace("[deps]", 'uid="uid://c0ffee"\n\n[deps]') + "mine=1\n")
    full.git("add", SIDECAR)
    assert full.commit() == ""
    path.write_text(path.read_text().replace("oggvorbisstr", "keep"))
    full.git("add", SIDECAR)
    assert full.commit() == ""


def test_a_catalogue_that_goes_before_its_lock_is_refused(full: Repo) -> None:
    rebuild(full)
    full.git("add", CATALOG)
    said = full.refused()
    assert "  hint: `git add -- assets.lock`\n" in said


def test_an_edited_catalogue_is_refused_and_the_working_tree_does_not_matter(full: Repo) -> None:
    path = full.root / CATALOG
    good = path.read_bytes()
    path.write_bytes(good.replace(b'"seconds": 2', b'"seconds": 3'))
    full.git("add", CATALOG)
    path.write_bytes(good)
    assert f"hint: `git add -- {CATALOG}`" in full.refused()
    full.git("add", CATALOG)
    path.write_bytes(b"torn")
    (full.root / "assets.lock").unlink()
    (full.root / "x").write_text("")
    full.git("add", "x")
    assert full.assetgen("check", "--staged", "--all").returncode == 0
    assert full.commit() == ""


def test_a_slot_that_is_gone_is_gone_from_the_catalogue(full: Repo) -> None:
    manifest = full.root / "assets.toml"
    text = manifest.read_text()
    manifest.write_text(text[: text.index('[music."music/b.ogg"]')])
    full.git("add", "assets.toml")
    said = full.refused()
    assert f"refused: `{CATALOG}` is staged, but not" in said
    assert f"hint: `assetgen build && git add -- assets.lock {CATALOG}`" in said
    full.mend(said)
    assert full.commit() == ""


def test_a_person_s_own_file_and_what_git_ignores_is_let_alone(full: Repo) -> None:
    (full.root / "assets/music.h").write_text("// mine\n")
    full.git("add", "--all")
    assert full.commit() == ""
    (full.root / ".gitignore").write_text(".assetgen/\ncatalog.json\n*.import\n")
    full.git("rm", "--quiet", "--cached", CATALOG, SIDECAR, "assets/music/a.wav.import")
    full.git("add", ".gitignore")
    assert full.commit() == ""
    (full.root / ".gitignore").write_text(".assetgen/\n*.import\n")
    full.git("add", ".gitignore")
    full.commit()  # of no interest to the music
    assert f"`{CATALOG}` is not in git" in full.assetgen("check", "--staged", "--all").stderr


def test_a_pointer_of_git_lfs_and_line_ends_of_windows_are_what_they_stand_for(full: Repo) -> None:
    data = (full.root / CATALOG).read_bytes()
    stage_bytes(full, CATALOG, pointer(data))
    assert full.assetgen("check", "--staged").returncode == 0
    stage_bytes(full, CATALOG, pointer(b"other"))
    assert f"`{CATALOG}` is staged, but not" in full.refused()
    (full.root / ".gitattributes").write_text("*.h filter=swap\n")
    full.git("config", "filter.swap.clean", "tr abcd bcda")
    full.git("config", "filter.swap.smudge", "tr bcda abcd")
    full.git("add", "--all")
    full.git("add", "--renormalize", ".")
    assert full.git("show", ":assets/music.h") != (full.root / "assets/music.h").read_text()
    assert full.commit() == ""


def test_a_link_is_no_catalogue(full: Repo) -> None:
    path = full.root / CATALOG
    path.rename(path.with_name("else.json"))
    path.symlink_to("else.json")
    full.git("add", CATALOG)
    assert f"`{CATALOG}` can't be judged: it is staged as a link" in full.refused()


def test_a_program_reads_it(full: Repo) -> None:
    full.git("rm", "--quiet", "--cached", CATALOG)
    done = full.assetgen("check", "--staged", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (
        1,
        {
            "right": 2,
            "refusals": [
                {
                    "manifest": "assets.toml",
                    "slot": "",
                    "path": CATALOG,
                    "reason": f"`{CATALOG}` is not in git",
                    "beside": True,
                    "mend": [f"git add -- {CATALOG}"],
                }
            ],
        },
    )
    assert full.assetgen("check", "--staged", "music/a.wav").returncode == 0, "only this slot"


def test_what_was_right_is_let_through_at_a_glance_and_little_is_loaded(full: Repo) -> None:
    script = (
        "import sys; from tydust_assetgen.cli import main; code = main(['check', '--staged']); "
        "print(code, *(name in sys.modules for name in ('tydust_assetgen.git_hook.check_exports', 'rich')))"
    )

    def asked() -> str:
        return full.run(sys.executable, "-c", script).stdout.strip()

    rebuild(full)
    full.git("add", "--all")
    assert [asked(), asked()] == ["0 True False", "0 False False"]


def test_the_names_that_need_not_stand_in_a_manifest_are_all_known() -> None:
    assert {*CODE.values(), LIST_NAME} == EXPORT_NAMES
