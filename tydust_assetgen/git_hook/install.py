"""Puts the hook in place, and takes it away.

What is there already stays: it gets another name, and our script runs it first. Taking ours away gives it that name
back.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from tydust_assetgen.errors import AssetgenError, UsageError
from tydust_assetgen.git_hook.git import run
from tydust_assetgen.system import digest_bytes, read_bounded, remove, write_atomic

NAME = "pre-commit"
BEFORE = "pre-commit.before-assetgen"
_MARK = "`assetgen hook install` puts this file in place"
_SEAL = "# seal: "
_NOTED = re.compile(r"(?m)^(noted_assetgen|noted_python)=.*$")


class Done(Enum):
    """What happened to the hook."""

    INSTALLED = "installed"
    CHAINED = "installed, and runs the hook that was there before it"
    UPDATED = "updated"
    UNCHANGED = "installed already, nothing was changed"
    REMOVED = "removed"
    RESTORED = "removed, and the hook that was there before is back"
    ABSENT = "not installed, nothing was changed"


class Outcome(NamedTuple):
    """What happened, and where."""

    done: Done
    hook: Path


def install(folder: str) -> Outcome:
    """Put the hook in place, or bring it up to date. Twice is as once.

    Raises:
        UsageError: there is no repository, or our hook was edited by hand.
        AssetgenError: the folder of hooks can't be written.
    """
    hook = _place(folder)
    wanted = _script()
    there = _read(hook)
    if there == wanted and os.access(hook, os.X_OK):
        return Outcome(Done.UNCHANGED, hook)
    try:
        chained = there is not None and not _is_ours(there)
        if chained:
            _set_aside(hook)
        elif there is not None:
            _refuse_edited(hook, there)
        write_atomic(hook, wanted)
        hook.chmod(0o755)
    except OSError as error:
        raise _not_writable(hook, error) from error
    return Outcome(Done.CHAINED if chained else Done.UPDATED if there is not None else Done.INSTALLED, hook)


def uninstall(folder: str) -> Outcome:
    """Take the hook away, and give the one that was there before its name back.

    Raises:
        UsageError: there is no repository, or our hook was edited by hand.
        AssetgenError: the folder of hooks can't be written.
    """
    hook = _place(folder)
    there, before = _read(hook), hook.with_name(BEFORE)
    if there is None or not _is_ours(there):
        return Outcome(Done.ABSENT, hook)
    _refuse_edited(hook, there)
    try:
        if os.path.lexists(before):
            os.replace(before, hook)
            return Outcome(Done.RESTORED, hook)
        remove(hook)
    except OSError as error:
        raise _not_writable(hook, error) from error
    return Outcome(Done.REMOVED, hook)


def _place(folder: str) -> Path:
    """Where git looks for the hook: `core.hooksPath` counts, and all worktrees of a repository share one."""
    hooks = os.fsdecode(run(folder, "rev-parse", "--git-path", "hooks").rstrip(b"\n"))
    return Path(os.path.abspath(os.path.join(folder, hooks)), NAME)


def _read(hook: Path) -> bytes | None:
    """The hook that is there; `None` when there is none."""
    if not os.path.lexists(hook):
        return None
    try:
        return read_bounded(hook, 1 << 20)
    except OSError:
        return b""  # a link that leads nowhere, or no file at all: somebody else's, in any case


def _set_aside(hook: Path) -> None:
    before = hook.with_name(BEFORE)
    if os.path.lexists(before):
        what = f"there is a `{BEFORE}` already, and a `{NAME}` that is not ours"
        raise UsageError(
            what, place=str(hook.parent), hint="one of them was to be chained: keep only one, then try again"
        )
    os.rename(hook, before)


def _is_ours(data: bytes) -> bool:
    return _MARK.encode() in data


def _refuse_edited(hook: Path, data: bytes) -> None:
    text, _, seal = data.decode("utf-8", "replace").rpartition(_SEAL)
    if seal.strip() != _seal(text):
        hint = f"move what you added to `{BEFORE}`, which is run first; then remove `{NAME}` and try again"
        raise UsageError("our hook was edited since it was installed", place=str(hook), hint=hint)


def _script() -> bytes:
    """Our script, with the places where assetgen is now, and a seal that tells whether somebody edited it."""
    noted = {"noted_assetgen": _program(), "noted_python": Path(sys.executable).as_posix() if sys.executable else ""}
    text = _NOTED.sub(lambda line: f"{line[1]}={shlex.quote(noted[line[1]])}", _template())
    return f"{text}{_SEAL}{_seal(text)}\n".encode("utf-8", "surrogateescape")


def _seal(text: str) -> str:
    return digest_bytes(text.encode("utf-8", "surrogateescape"))[:16]


def _template() -> str:
    """The script without places noted, just as it lies in the repository's `hooks/`."""
    return Path(__file__).with_name("pre-commit.sh").read_text(encoding="utf-8")


def _program() -> str:
    """The `assetgen` beside this Python; empty when there is none, as in `python -m tydust_assetgen`."""
    names = ("assetgen.exe", "assetgen")
    folders = (os.path.dirname(os.path.abspath(sys.argv[0])), os.path.dirname(sys.executable or ""))
    found = (Path(folder, name) for folder in folders for name in names)
    return next((place.as_posix() for place in found if os.access(place, os.X_OK) and place.is_file()), "")


def _not_writable(hook: Path, error: OSError) -> AssetgenError:
    return AssetgenError(f"can't write `{hook}`: {error.strerror or error}", hint="is the folder of hooks read-only?")
