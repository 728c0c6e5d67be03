"""Which model a name means, and where it lies: hub caches of every shape, folders, revisions, names that are none."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tydust_assetgen.errors import UnavailableError
from tydust_assetgen.generate.musicgen.spec.models import KNOWN, LICENCE, WEIGHTS, all_here, find, hub_cache, torch_hub

OLD, NEW = "a" * 40, "b" * 40


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def snapshot(hub: Path, repository: str, commit: str, *references: str, files: tuple[str, ...] = WEIGHTS) -> Path:
    """A commit in the hub cache, its files symbolic links to blobs, as the hub's client makes them."""
    home = hub / f"models--{repository.replace('/', '--')}"
    folder = home / "snapshots" / commit
    (home / "blobs").mkdir(parents=True, exist_ok=True)
    folder.mkdir(parents=True)
    for name in files:
        (home / "blobs" / f"{commit}{name}").write_bytes(b"w")
        (folder / name).symlink_to(os.path.relpath(home / "blobs" / f"{commit}{name}", folder))
    (home / "refs").mkdir(exist_ok=True)
    for reference in references:
        (home / "refs" / reference).write_text(commit)
    return folder


def test_a_name_means_a_repository_of_the_hub(hub: Path, tmp_path: Path) -> None:
    folder = snapshot(hub, "facebook/musicgen-small", OLD, "main")
    for name in ("small", "facebook/musicgen-small"):
        found = find(name, "", tmp_path)
        assert (found.name, found.repository, found.revision) == (name, "facebook/musicgen-small", OLD)
        assert found.folder == folder
        assert found.licence == LICENCE
    assert find("medium", "", tmp_path).folder is None
    assert find("medium", "", tmp_path).licence == LICENCE


def test_a_revision_is_a_branch_a_commit_or_its_beginning(hub: Path, tmp_path: Path) -> None:
    old = snapshot(hub, "facebook/musicgen-small", OLD)
    new = snapshot(hub, "facebook/musicgen-small", NEW, "main", "v2")
    asked = {"": new, "main": new, "v2": new, OLD: old, NEW: new, OLD[:7]: old, OLD[:6]: None, "c" * 40: None}
    assert {revision: find("small", revision, tmp_path).folder for revision in asked} == asked
    assert find("small", OLD[:8], tmp_path).revision == OLD


def test_without_main_only_a_single_commit_is_meant(hub: Path, tmp_path: Path) -> None:
    old = snapshot(hub, "facebook/musicgen-small", OLD)
    assert find("small", "", tmp_path).folder == old
    snapshot(hub, "facebook/musicgen-small", NEW)
    assert find("small", "", tmp_path).folder is None


def test_half_a_model_is_none(hub: Path, tmp_path: Path) -> None:
    snapshot(hub, "facebook/musicgen-small", OLD, "main", files=WEIGHTS[:1])
    broken = snapshot(hub, "facebook/musicgen-large", NEW, "main")
    Path(os.path.realpath(broken / WEIGHTS[0])).unlink()
    assert find("small", "", tmp_path).folder is None
    assert find("large", "", tmp_path).folder is None
    assert all_here() == []


@pytest.mark.parametrize("revision", ["../../../x", "..", "/etc", "a/../../b", "x" * 200, "\0"])
def test_a_revision_can_not_lead_out_of_the_cache(hub: Path, tmp_path: Path, revision: str) -> None:
    snapshot(hub, "facebook/musicgen-small", OLD, "main")
    assert find("small", revision, tmp_path).folder is None


def test_a_reference_can_not_lead_out_of_the_cache(hub: Path, tmp_path: Path) -> None:
    snapshot(hub, "facebook/musicgen-small", OLD, "main")
    (hub / "models--facebook--musicgen-small/refs/main").write_text("../../../elsewhere")
    assert find("small", "", tmp_path).folder is None


@pytest.mark.usefixtures("hub")
def test_a_folder_is_one_by_its_look_or_because_it_is_there(tmp_path: Path) -> None:
    own = tmp_path / "models/own"
    own.mkdir(parents=True)
    for name in WEIGHTS:
        (own / name).write_bytes(b"w")
    for asked in ("models/own", "./models/own", str(own), f"{tmp_path}/models/../models/own"):
        found = find(asked, "", tmp_path)
        assert (found.folder, found.repository, found.revision, found.licence) == (own, "", "", "")
    for missing in (
        "./nowhere",
        "~/nowhere",
        "~nobody/x",
        "../nowhere",
        "/nowhere/at/all",
        "C:\\nowhere",
        ".\\nowhere",
    ):
        found = find(missing, "", tmp_path)
        assert (found.folder, found.repository) == (None, "")


@pytest.mark.usefixtures("hub")
def test_somebody_elses_model_has_an_unknown_licence(tmp_path: Path) -> None:
    found = find("studio/our-music", "", tmp_path)
    assert (found.repository, found.licence, found.known) == ("studio/our-music", "", None)


@pytest.mark.usefixtures("hub")
def test_style_is_refused_with_a_reason(tmp_path: Path) -> None:
    for name in ("style", "facebook/musicgen-style"):
        with pytest.raises(UnavailableError, match="no style conditioner") as raised:
            find(name, "", tmp_path)
        assert "melody" in raised.value.problems[0].hint


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize(("wrong", "hint"), [("meduim", "`medium`"), ("", "there are: small"), ("a/b/c", "there are")])
def test_an_unknown_name_gets_a_hint(tmp_path: Path, wrong: str, hint: str) -> None:
    with pytest.raises(UnavailableError) as raised:
        find(wrong, "", tmp_path)
    assert hint in raised.value.problems[0].hint


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_is_found_or_refused(model: str, revision: str) -> None:
    with contextlib.suppress(UnavailableError):
        found = find(model, revision, Path("/nonexistent-folder"))
        assert found.folder is None or found.folder.is_absolute()


def test_all_that_is_here_is_listed_with_its_commit(hub: Path) -> None:
    snapshot(hub, "facebook/musicgen-small", OLD)
    snapshot(hub, "facebook/musicgen-small", NEW, "main")
    snapshot(hub, "studio/our--music", NEW, "main")
    snapshot(hub, "studio/no-music", NEW, "main", files=("model.safetensors",))
    found = [(source.repository, source.revision, source.licence) for source in all_here()]
    assert found == [
        ("facebook/musicgen-small", OLD, LICENCE),
        ("facebook/musicgen-small", NEW, LICENCE),
        ("studio/our--music", NEW, ""),
    ]


def test_the_caches_are_those_of_the_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    home = Path("~").expanduser()
    assert hub_cache() == home / ".cache/huggingface/hub"
    assert torch_hub() == home / ".cache/torch/hub/checkpoints"
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert (hub_cache(), torch_hub()) == (Path("/x/huggingface/hub"), Path("/x/torch/hub/checkpoints"))
    monkeypatch.setenv("HF_HOME", "/h")
    monkeypatch.setenv("TORCH_HOME", "/t")
    assert (hub_cache(), torch_hub()) == (Path("/h/hub"), Path("/t/hub/checkpoints"))
    monkeypatch.setenv("HF_HUB_CACHE", "/c")
    assert hub_cache() == Path("/c")


def test_the_table_names_every_published_model() -> None:
    assert {known.repository for known in KNOWN.values()} == {
        f"facebook/musicgen-{name}"
        for name in (
            *("small", "medium", "large", "melody", "melody-large", "style"),
            *("stereo-small", "stereo-medium", "stereo-large", "stereo-melody", "stereo-melody-large"),
        )
    }
    assert {name for name, known in KNOWN.items() if known.channels == 2} == {n for n in KNOWN if "stereo" in n}
    assert {name for name, known in KNOWN.items() if known.family == "melody"} == {n for n in KNOWN if "melody" in n}
