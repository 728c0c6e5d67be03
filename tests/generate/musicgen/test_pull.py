"""`assetgen models`: what it shows, and what it fetches from a real server on the loopback, well and badly behaved."""

from __future__ import annotations

import io
import json
import os
import pickle
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import REPOSITORY

from tests.generate.musicgen.hub_server import COMMIT, Hub, serving
from tests.generate.musicgen.test_checkpoint import configurations

pytest.importorskip("huggingface_hub")
yaml = pytest.importorskip("yaml")

REPO = "facebook/musicgen-small"
SECRET = "hf_" + "s3cret" * 5


def archive(content: object, padding: int = 0) -> bytes:
    """A file of torch: a pickle, and so many raw bytes."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as file:
        file.writestr("archive/data.pkl", pickle.dumps(content, protocol=2))
        file.writestr("archive/data/0", os.urandom(padding))
    return held.getvalue()


def weights(padding: int = 3_000_000) -> dict[str, bytes]:
    lm, codec = (yaml.safe_dump(config) for config in configurations())
    return {
        "README.md": b"not wanted",
        "state_dict.bin": archive({"best_state": {}, "xp.cfg": lm}, padding),
        "compression_state_dict.bin": archive({"best_state": {}, "xp.cfg": codec}),
        "pytorch_model.bin": b"not wanted either",
    }


T5 = {
    "config.json": b"{}",
    "model.safetensors": b"s" * 1000,
    "tokenizer.json": b"{}",
    "spiece.model": b"p",
    "pytorch_model.bin": b"never",
    "tf_model.h5": b"never",
}


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving(Hub({REPO: weights(), "t5-base": dict(T5)})) as running:
        yield running


class Person:
    """Somebody with a hub cache, who calls the command."""

    def __init__(self, home: Path) -> None:
        self.cache = home / "hub"
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        self.environment |= {"HF_HUB_CACHE": str(self.cache), "HF_HOME": str(home), "HF_TOKEN": SECRET}
        self.environment |= {"TORCH_HOME": str(home / "torch")}
        self.environment |= {"PYTHONPATH": os.pathsep.join([os.environ["PYTHONPATH"], str(REPOSITORY)])}

    def run(self, *words: str, endpoint: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        environment = {**self.environment, **more, **({"HF_ENDPOINT": endpoint} if endpoint else {})}
        done = subprocess.run(
            [sys.executable, "-m", "tydust_assetgen", "models", *words],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "Traceback" not in done.stderr
        assert SECRET not in done.stdout + done.stderr
        return done

    def snapshot(self, repository: str) -> Path:
        return self.cache / f"models--{repository.replace('/', '--')}" / "snapshots" / COMMIT

    def files(self, repository: str = REPO) -> dict[str, bytes]:
        folder = self.snapshot(repository)
        return {path.name: path.read_bytes() for path in folder.glob("*")} if folder.exists() else {}

    def blobs(self) -> list[str]:
        """Whole files, and what is left of downloads."""
        return sorted(path.name for path in self.cache.glob("models--*/blobs/*"))


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return Person(tmp_path / "home")


def test_pull_fetches_what_is_needed_and_nothing_else(hub: Hub, person: Person) -> None:
    done = person.run("pull", "small", endpoint=hub.url)
    assert done.returncode == 0, done.stderr
    wanted = {name: data for name, data in hub.files[REPO].items() if name.endswith("state_dict.bin")}
    assert person.files() == wanted
    assert set(person.files("t5-base")) == set(T5) - {"pytorch_model.bin", "tf_model.h5"}
    assert f'[defaults.musicgen]\nmodel = "small"\nrevision = "{COMMIT}"' in done.stdout
    assert done.stderr == ""

    before = len(hub.sent("state_dict.bin"))
    again = person.run("pull", "small", "--revision", COMMIT, "--json", endpoint=hub.url)
    assert len(hub.sent("state_dict.bin")) == before  # only looked at
    paper = json.loads(again.stdout)["pulled"]
    assert [(one["repository"], one["revision"]) for one in paper] == [(REPO, COMMIT), ("t5-base", COMMIT)]
    assert paper[0]["size"] == sum(len(data) for data in wanted.values())
    assert paper[0]["folder"] == str(person.snapshot(REPO))


def test_the_list_shows_what_is_here(hub: Hub, person: Person, tmp_path: Path) -> None:
    before = {model["name"]: model for model in json.loads(person.run("--json").stdout)["models"]}
    assert not any(model["here"] for model in before.values())
    assert before["stereo-large"]["channels"] == 2
    assert {model["licence"] for model in before.values()} == {"CC-BY-NC-4.0"}
    assert "assetgen models pull medium" in person.run().stderr
    person.run("pull", REPO, endpoint=hub.url)
    own = tmp_path / "own"
    own.mkdir()
    for name, data in person.files().items():
        (own / name).write_bytes(data)
    after = {model["name"]: model for model in json.loads(person.run("--json", "--folder", str(own)).stdout)["models"]}
    assert {name for name, model in after.items() if model["here"]} == {"small", str(own)}
    assert (after["small"]["revision"], after["small"]["problem"]) == (COMMIT, "")
    assert after[str(own)]["licence"] == "unknown"
    assert after[str(own)]["size"] == after["small"]["size"] > 3_000_000
    rows = json.loads(doctor(person).stdout)["musicgen"]
    assert rows[f"model {REPO}"].startswith(COMMIT[:12])
    assert rows["text encoder"] == "t5-base"
    assert "assetgen models pull adefossez/HTDemucs" in rows["stem separator"]


def doctor(person: Person) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "tydust_assetgen", "doctor", "--json"]
    return subprocess.run(words, env=person.environment, capture_output=True, text=True, timeout=60, check=True)


def test_a_wrong_digest_is_found_and_the_file_deleted(hub: Hub, person: Person) -> None:
    hub.lies["state_dict.bin"] = "0" * 64
    done = person.run("pull", "small", endpoint=hub.url)
    assert done.returncode == 1
    assert "its digest differs" in done.stderr
    assert set(person.files()) == {"compression_state_dict.bin"}
    assert len(person.blobs()) == 1
    hub.lies = {"tokenizer.json": "0" * 40}
    assert "`tokenizer.json` is not what" in person.run("pull", "small", endpoint=hub.url).stderr
    assert "tokenizer.json" not in person.files("t5-base")
    hub.lies.clear()
    assert person.run("pull", "small", endpoint=hub.url).returncode == 0


def test_a_file_that_was_damaged_here_is_found_by_the_next_pull(hub: Hub, person: Person) -> None:
    person.run("pull", "small", endpoint=hub.url)
    damaged = person.snapshot(REPO) / "state_dict.bin"
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    assert "its digest differs" in person.run("pull", "small", endpoint=hub.url).stderr
    assert person.run("pull", "small", endpoint=hub.url).returncode == 0
    assert person.files()["state_dict.bin"] == hub.files[REPO]["state_dict.bin"]


class Bomb:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self.target, "boom")


def test_a_bomb_is_deleted_and_never_goes_off(hub: Hub, person: Person, tmp_path: Path) -> None:
    hub.files[REPO]["state_dict.bin"] = archive({"best_state": Bomb(tmp_path / "boom"), "xp.cfg": "a: 1"})
    done = person.run("pull", "small", endpoint=hub.url)
    assert done.returncode == 1
    assert "it is refused" in done.stderr
    assert "never loaded" in done.stderr
    assert set(person.files()) == {"compression_state_dict.bin"}
    assert not (tmp_path / "boom").exists()


def test_a_cut_connection_is_resumed_within_one_call(hub: Hub, person: Person) -> None:
    hub.cut_after, hub.cuts = 1_000_000, 1
    done = person.run("pull", "small", endpoint=hub.url)
    assert done.returncode == 0, done.stderr
    assert person.files()["state_dict.bin"] == hub.files[REPO]["state_dict.bin"]
    first, second = hub.sent("state_dict.bin")
    assert first == ""
    assert 0 < int(second.removeprefix("bytes=").removesuffix("-")) <= 1_000_000


def test_a_killed_pull_leaves_no_model_and_the_next_one_ends_it(hub: Hub, person: Person) -> None:
    hub.cut_after, hub.cuts = 1_000_000, 100
    words = [sys.executable, "-m", "tydust_assetgen", "models", "pull", "small"]
    running = subprocess.Popen(words, env={**person.environment, "HF_ENDPOINT": hub.url}, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while len(hub.sent("state_dict.bin")) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    running.kill()
    running.wait()
    assert set(person.files()) == {"compression_state_dict.bin"}
    listed = json.loads(person.run("--json").stdout)["models"]
    assert not any(model["here"] for model in listed)
    hub.cuts = 0
    asked = len(hub.sent("state_dict.bin"))
    assert person.run("pull", "small", endpoint=hub.url).returncode == 0
    assert person.files()["state_dict.bin"] == hub.files[REPO]["state_dict.bin"]
    assert len(hub.sent("state_dict.bin")) == asked + 1
    assert not [name for name in person.blobs() if "incomplete" in name]


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (404, "RepoNotFound", "the hub has no"),
        (401, "RepoNotFound", "the hub has no"),
        (403, "GatedRepo", "whom its owner lets in"),
        (401, "GatedRepo", "whom its owner lets in"),
        (500, "", "status 500"),
    ],
)
def test_what_the_hub_refuses_is_said_at_once(hub: Hub, person: Person, status: int, code: str, message: str) -> None:
    hub.closed[REPO] = (status, code)
    begun = time.perf_counter()
    done = person.run("pull", "small", endpoint=hub.url)
    assert done.returncode == 1
    assert message in done.stderr
    assert "hint:" in done.stderr
    assert len(hub.asked) <= 2
    assert time.perf_counter() - begun < 30
    assert person.files() == {}


def test_a_revision_that_is_not_there(hub: Hub, person: Person) -> None:
    done = person.run("pull", "small", "--revision", "v9", endpoint=hub.url)
    assert (done.returncode, person.blobs()) == (1, [])
    assert "no revision `v9`" in done.stderr


def test_a_repository_without_safe_weights(hub: Hub, person: Person) -> None:
    hub.files["studio/pickled"] = {"pytorch_model.bin": b"x", "config.json": b"{}"}
    done = person.run("pull", "studio/pickled", endpoint=hub.url)
    assert "no weights that are safe to load" in done.stderr
    assert person.blobs() == []


def test_without_a_network_it_says_so_at_once(person: Person) -> None:
    begun = time.perf_counter()
    done = person.run("pull", "small", endpoint="http://127.0.0.1:9")
    assert done.returncode == 1
    assert "can't be reached: connection refused" in done.stderr
    assert "hint: fetch it on a machine with a network" in done.stderr
    assert time.perf_counter() - begun < 20  # the client alone would try for a minute
    offline = person.run("pull", "small", HF_HUB_OFFLINE="1")
    assert "`HF_HUB_OFFLINE` is set" in offline.stderr


def test_a_name_that_is_none(person: Person) -> None:
    done = person.run("pull", "meduim")
    assert done.returncode == 1
    assert "did you mean `medium`?" in done.stderr
    assert person.run("pull").returncode == 2
    assert person.run("pull", "./folder").returncode == 1


def test_a_size_that_no_file_has_is_refused_and_not_waited_for(hub: Hub, person: Person) -> None:
    hub.sizes["state_dict.bin"] = -1
    done = person.run("pull", "small", endpoint=hub.url)
    assert "without a digest or a size" in done.stderr
    assert person.blobs() == []


@pytest.mark.parametrize("revision", ["../../../../outside", "/etc/x", "a/b", "a b"])
def test_a_revision_never_leads_out_of_the_cache(hub: Hub, person: Person, revision: str) -> None:
    done = person.run("pull", "small", "--revision", revision, endpoint=hub.url)
    assert done.returncode != 0
    assert "is no revision" in done.stderr
    assert hub.asked == []
