"""Everything that is checked before a change lands, and once a week: `pip install ".[dev]"`, then `nox`.

    nox                          lint, types, imports, docs, tests
    nox -s tests -- tests/codec  one session, with words for pytest
    nox -s rot                   every Python that is installed, lowest and newest versions, with and without extras
    nox -s rot-3.12 -- tests/codec -q
    nox -s "rot-3.12(lowest, test)"

uv makes the environments where it is installed; lowest versions need it.
"""

from __future__ import annotations

import nox
from nox.project import load_toml

nox.needs_version = ">=2025.11.12"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "types", "imports", "docs", "tests"]
nox.options.error_on_missing_interpreters = False
nox.options.download_python = "never"

PYTHONS = ["3.10", "3.11", "3.12", "3.13"]
EXTRAS = load_toml("pyproject.toml")["project"]["optional-dependencies"]
MUSICGEN_TESTS = ["tests/generate/musicgen", "tests/conformance"]
FIRST_STEPS = ["init", "build", "verify", "check", "doctor"]


@nox.session
def lint(session: nox.Session) -> None:
    """Style and formatting."""
    session.install(_tool("ruff"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Strict types."""
    session.install("-e", ".[dev]")
    session.run("mypy", *session.posargs)


@nox.session
def imports(session: nox.Session) -> None:
    """Which part may import which: the contracts in pyproject.toml."""
    session.install("--no-deps", "-e", ".")
    session.install(_tool("import-linter"))
    session.run("lint-imports", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation builds without a warning."""
    session.install(*EXTRAS["docs"])
    session.run("mkdocs", "build", "--strict", *session.posargs, env={"NO_MKDOCS_2_WARNING": "1"})


@nox.session
def tests(session: nox.Session) -> None:
    """All tests, or those that are named after `--`."""
    session.install("-e", ".[test]")
    session.run("pytest", *(session.posargs or ["-n", "auto"]))


@nox.session(python=PYTHONS)
@nox.parametrize("extra", ["none", "test", "musicgen"], ids=["none", "test", "musicgen"])
@nox.parametrize("versions", ["lowest", "newest"], ids=["lowest", "newest"])
def rot(session: nox.Session, versions: str, extra: str) -> None:
    """With the oldest versions that we promise, and with what is published today."""
    if session.venv_backend != "uv" and (versions == "lowest" or extra == "musicgen"):
        session.skip("only uv can install the lowest versions, and override those that audiocraft asks for")
    resolution = ["--resolution", "lowest-direct"] if versions == "lowest" else ["--upgrade"]
    if extra == "none":
        session.install(".", *resolution)
        session.chdir(session.create_tmp())
        for command in FIRST_STEPS:
            session.run("assetgen", command)
        return
    session.install(".[test,remote]" if extra == "test" else ".[test,musicgen]", *resolution)
    session.run("assetgen", "doctor")
    session.run("pytest", *(session.posargs or ["-n", "auto"]), *([] if extra == "test" else MUSICGEN_TESTS))


def _tool(name: str) -> str:
    """What the extra `dev` asks for under this name."""
    return next(wanted for wanted in EXTRAS["dev"] if wanted.startswith(name))
