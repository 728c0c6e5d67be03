"""The README keeps its word: its commands, its examples, and what CI runs."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
import tomli
from conftest import REPOSITORY

README = (REPOSITORY / "README.md").read_text()


@pytest.mark.parametrize(
    ("number", "command"),
    [
        (1, "pip install . && assetgen build"),
        (2, 'pip install ".[test]" && pytest -n auto'),
        (3, 'uv pip install ".[musicgen]"'),
        (4, 'pip install ".[musicgen-parts]" && pip install --no-deps audiocraft==1.3.0'),
    ],
)
def test_ci_runs_the_commands_as_they_stand(number: int, command: str) -> None:
    script = REPOSITORY / ".ci/readme_command.py"
    done = subprocess.run([sys.executable, script, str(number)], capture_output=True, text=True, check=True)
    assert done.stdout == command + "\n"
    assert f"readme {number}" in (REPOSITORY / ".ci/run").read_text()


def test_each_way_to_install_musicgen_gives_the_same_libraries_and_a_torch_that_loads() -> None:
    project = tomli.loads((REPOSITORY / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    libraries = "tydust-assetgen[musicgen-libraries]"
    assert extras["musicgen"] == ["audiocraft==1.3.0", libraries, "torch>=2.11.0", "torchaudio>=2.11.0"]
    assert extras["musicgen-parts"] == [libraries, "torch>=2.13.0", "torchaudio>=2.11.1"]
    assert extras["musicgen-parts-older-torch"] == [libraries, "torch>=2.11.0,<2.15", "torchaudio==2.11.0"]
    told = {(one["name"], one["version"]): one["requires-dist"] for one in project["tool"]["uv"]["dependency-metadata"]}
    assert told == {
        ("audiocraft", "1.3.0"): [],
        ("torchaudio", "2.11.0"): ["torch>=2.11,<2.15"],
        ("torchaudio", "2.11.1"): ["torch>=2.13"],
    }
    names = {re.split(r"[<>=]", pin)[0] for pin in extras["musicgen-libraries"]}
    assert names.isdisjoint({"av", "encodec", "gradio", "spacy", "torchtext", "torchvision", "xformers"})


def test_links_lead_somewhere() -> None:
    for page in [REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} points to {target}"


def test_no_page_names_a_command_that_is_not_there() -> None:
    commands = set(re.findall(r"^    ([\w-]+)  ", _help(), re.MULTILINE))
    assert {"build", "status", "check", "verify"} <= commands
    for page in [REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md")]:
        named = set(re.findall(r"`assetgen ([\w-]*\w)", page.read_text()))
        assert named <= commands, page.name


def _help() -> str:
    return subprocess.run(
        [sys.executable, "-m", "tydust_assetgen", "--help"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
