"""Depfiles: tell Make and Ninja which files a build depends on.

One line in the syntax that Make and Ninja share: what they read differently can't be said, and is refused in words
(GNU make manual, 4.3 `Types of Prerequisites` and 3.8; Ninja manual, `Depfiles`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from tydust_assetgen.errors import UsageError

CMAKE_DIR = Path(__file__).resolve().parent / "cmake"
"""Where the CMake module `FindAssetgen.cmake` lies."""

_UNSPEAKABLE = re.compile(r"[^\w +?\"'&,/:.~(){}%=@\[\]!$#\-\x80-\U0010ffff]", re.ASCII)
"""Ninja ends a name at each of these, Make takes some for its own."""
_UNSPEAKABLE_TARGET = re.compile(r"[%=]")
"""Make would read a pattern rule, or a variable."""
_ESCAPED = {" ": "\\ ", "#": "\\#", "$": "$$", ":": "\\:"}


def depfile(targets: Iterable[Path], needs: Iterable[Path], seen_from: Path) -> str:
    """The text of a depfile.

    Args:
        targets: what is made; the first is the one that Ninja looks for.
        needs: what it is made from.
        seen_from: the folder of whoever reads it: paths inside are written relative to it, all others absolute.

    Raises:
        UsageError: a path that Make and Ninja can't both be told of.
    """
    made = [_said(path, seen_from, target=True) for path in targets]
    used = [_said(path, seen_from) for path in needs]
    return f"{' '.join(made)}:" + "".join(f" \\\n  {name}" for name in used) + "\n"


def _said(path: Path, seen_from: Path, *, target: bool = False) -> str:
    inside = seen_from == path.parent or seen_from in path.parents
    name = os.path.relpath(path, seen_from) if inside else str(path)
    name = name.replace(os.sep, "/") if os.sep != "/" else name
    found = _UNSPEAKABLE.search(name) or (_UNSPEAKABLE_TARGET.search(name) if target else None)
    if found or name.endswith(":"):
        what = found[0] if found else ":"
        hint = "rename it" + (", or give a target of your own with `--depfile-target`" if target else "")
        raise UsageError(f"a depfile can't name {path.as_posix()!a}: {what!a} means something else there", hint=hint)
    drive = 2 if re.match(r"[A-Za-z]:/", name) and os.name == "nt" else 0
    return name[:drive] + "".join(_ESCAPED.get(letter, letter) for letter in name[drive:])
