"""Which file names a slot may have, and the reasons why one must not be written.

The rules are those of the strictest system a game is built on, so that a manifest that works here works
everywhere: no way out of the asset tree, and no name that Windows refuses (Microsoft, Naming Files, Paths, and
Namespaces).
"""

from __future__ import annotations

import os
import re
import unicodedata
from functools import cached_property
from pathlib import Path

from tydust_assetgen.manifest.tables import CODECS
from tydust_assetgen.manifest.validate import Fault, nearest

_RESERVED = re.compile(r"(?:CON|PRN|AUX|NUL|COM[0-9¹²³]|LPT[0-9¹²³]|CONIN\$|CONOUT\$)(?:\s*\..*)?\Z", re.IGNORECASE)
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f-\x9f<>:"|?*\u200e\u200f\u202a-\u202e\u2066-\u2069]')
_COMPONENT_BYTES = 240  # file systems take 255; a temporary name beside it needs some
_PATH_CHARACTERS = 400


def same_file(path: str) -> str:
    """Two paths that a case-insensitive or normalising disk takes for one file have the same result."""
    return (
        path.casefold()
        if path.isascii()
        else unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
    )


def with_format(slot: str, codec: str) -> str:
    """The path of another format of the same slot."""
    stem, dot, _ = slot.rpartition(".")
    return f"{stem}.{codec}" if dot else f"{slot}.{codec}"


def codec_of(slot: str) -> str:
    """The codec that a slot's extension names, or empty."""
    extension = slot.rpartition(".")[2].lower()
    return extension if "." in slot.rpartition("/")[2] and extension in CODECS else ""


def name_faults(slot: str) -> tuple[Fault, ...]:
    """What is wrong with a slot's name, by the name alone."""
    reason = path_fault(slot)
    if reason:
        return (reason,)
    return () if codec_of(slot) else (_extension(slot),)


def path_fault(path: str) -> Fault | None:
    """Why nothing may be written under this path of the asset tree."""
    return _outside(path) or _unfit(path)


def _outside(slot: str) -> Fault | None:
    hint = "slots are paths inside the asset tree, such as `music/title.ogg`"
    if "\\" in slot:
        return Fault("", "slot has a backslash", "write `/` between folders, on Windows too")
    if slot.startswith(("/", "~")) or re.match(r"[A-Za-z]:", slot):
        return Fault("", "slot lies outside the asset tree: it is an absolute path", hint)
    if ".." in slot.split("/"):
        return Fault("", "slot lies outside the asset tree: `..` leads out", hint)
    return None


def _unfit(slot: str) -> Fault | None:
    if not slot.strip():
        return Fault("", "slot has an empty name", "name the file to write, such as `music/title.ogg`")
    if len(slot) > _PATH_CHARACTERS:
        return Fault("", f"slot is longer than {_PATH_CHARACTERS} characters", "choose a shorter path")
    found = _FORBIDDEN.search(slot)
    if found:
        return Fault("", f"slot has a character that no file name may have ({found[0]!a})", "remove it")
    return next(filter(None, map(_bad_component, slot.split("/"))), None)


def _bad_component(part: str) -> Fault | None:
    if part in ("", "."):
        return Fault("", "slot has an empty folder name", "write one `/` between folders, and no `./`")
    if part != part.strip() or part.endswith("."):
        return Fault(
            "",
            f"slot has a name that begins or ends with a space or ends with a dot: `{part}`",
            "Windows drops them; remove them",
        )
    if _RESERVED.match(part):
        return Fault("", f"slot has a name that Windows reserves: `{part}`", "choose another name")
    if len(part.encode("utf-8", "replace")) > _COMPONENT_BYTES:
        return Fault("", f"slot has a name longer than {_COMPONENT_BYTES} bytes", "choose a shorter name")
    return None


def _extension(slot: str) -> Fault:
    name = slot.rpartition("/")[2]
    extension = name.rpartition(".")[2].lower() if "." in name else ""
    near = nearest(extension, CODECS)
    known = ", ".join(f"`.{codec}`" for codec in CODECS)
    what = f"unknown extension `.{extension[:20]}`" if extension else "slot has no extension"
    hint = f"did you mean `.{near}`? known: {known}" if near else f"known: {known}"
    return Fault("", what, hint)


class AssetTree:
    """The asset tree as it is on disk, for what names alone can't tell. Looks at each folder once."""

    def __init__(self, root: Path, assets: Path) -> None:
        self._root, self._assets = root, assets
        self._seen: dict[str, str] = {}

    @cached_property
    def _real_assets(self) -> str:
        return os.path.realpath(self._assets)

    @cached_property
    def escapes(self) -> bool:
        """Whether the asset tree itself lies outside the manifest's folder."""
        return not _within(self._real_assets, os.path.realpath(self._root))

    def faults(self, path: str) -> tuple[Fault, ...]:
        """What is wrong with writing `path` (relative to the asset tree)."""
        folder = path.rpartition("/")[0]
        if folder not in self._seen:
            self._seen[folder] = self._folder(folder)
        wrong = self._seen[folder] or self._file(self._assets / path)
        return (Fault("", wrong, "remove the link, or name another file"),) if wrong else ()

    def _folder(self, folder: str) -> str:
        real = os.path.realpath(self._assets / folder)
        if not _within(real, self._real_assets):
            return f"slot lies outside the asset tree: the folder `{folder}` is a link that leads out"
        if os.path.exists(real) and not os.path.isdir(real):
            return f"the folder `{folder}` is a file"
        return ""

    def _file(self, path: Path) -> str:
        if os.path.islink(path) and not _within(os.path.realpath(path), self._real_assets):
            return "slot lies outside the asset tree: the file is a link that leads out"
        return "there is a folder of that name" if os.path.isdir(path) else ""


def _within(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip(os.sep) + os.sep)
