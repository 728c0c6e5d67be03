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
        (2, 'pip install ".[test]" && pytest'),
        (3, 'uv pip install ".[musicgen]"'),
        (4, 'pip install ".[musicgen-parts]" && pip install --no-deps audiocraft==1.3.0'),
    ],
)
def test_ci_runs_the_commands_as_they_stand(number: int, command: str) -> None:
    script = REPOSITORY / ".ci/readme_command.py"
    done = subprocess.run([sys.executable, script, str(number)], capture_output=True, text=True, check=True)
    assert done.stdout == command + "\n"
    assert f"readme {number}" in (REPOSITORY / ".ci/run").read_text()


def test_both_ways_to_install_musicgen_give_the_same_audiocraft_and_torch() -> None:
    project = tomli.loads((REPOSITORY / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    overrides = project["tool"]["uv"]["override-dependencies"]
    assert extras["musicgen"] == ["audiocraft==1.3.0", "tydust-assetgen[musicgen-parts]"]
    assert {pin for pin in overrides if "==2.11" in pin} == {pin for pin in extras["musicgen-parts"] if "==" in pin}
    left_out = {pin.split(";")[0] for pin in overrides if "'never'" in pin}
    assert {"av", "xformers", "spacy"} <= left_out
    assert left_out.isdisjoint(pin.split(">")[0] for pin in extras["musicgen-parts"])


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
