"""Scans a file of weights without loading it: its configuration, its identity, or why it is unsafe.

A file of torch is a zip of a pickle and of raw tensors. The pickle is read as a list of instructions and never carried
out: what it would import is compared with what torch's own safe loader allows, and the configuration is the text that
follows the word `xp.cfg` in it.
"""

from __future__ import annotations

import hashlib
import pickletools
import re
import struct
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_PICKLE_BYTES = 64 << 20
CONFIG_CHARS = 1 << 20
_INSTRUCTIONS = 4_000_000
_ENTRIES = 200_000
_DIRECTORY_BYTES = 16 << 20
_TAIL_BYTES = 1 << 17
"""A zip ends with at most 64 KiB of comment, and before it the records that say how long its directory is."""
_SAFE = re.compile(
    r"collections (OrderedDict|Counter)"
    r"|_codecs encode"
    r"|torch(\.storage)? (\w+Storage|Size|device|Tensor|u?int(8|16|32|64)|b?float(16|32|64)?|half|double|bool)"
    r"|torch\._utils _rebuild_(tensor|tensor_v2|parameter|parameter_with_state)"
    r"|torch\.nn\.parameter Parameter"
)
"""What torch's `weights_only` loader allows and a state of a model needs (torch._weights_only_unpickler)."""


_BROKEN_ZIP = (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, RuntimeError, ValueError, struct.error)
"""What zipfile raises over damaged files; EOFError is for a part that claims to go on past the end."""


@dataclass(frozen=True)
class Scan:
    """What the pickle of one file says."""

    reason: str = ""
    config: str = ""
    pretrained: str = ""
    identity: str = ""


def scan_file(path: Path) -> Scan:
    """What one file says, from memory when it has not changed."""
    try:
        state = path.stat()
    except OSError:
        return Scan(reason=f"`{path.name}` is missing in `{path.parent}`")
    return _now(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=64)
def _now(path: Path, size: int, mtime_ns: int) -> Scan:
    del mtime_ns
    try:
        if _directory_bytes(path, size) > _DIRECTORY_BYTES:
            return Scan(reason=f"`{path.name}` is not a file of torch: it claims to hold millions of parts")
        with zipfile.ZipFile(path) as file:
            entries = file.infolist()
            pickles = [entry for entry in entries if entry.filename.lower().endswith("data.pkl")]
            reason = _bad_zip(entries, pickles, size)
            text = b"" if reason else file.read(pickles[0])
    except _BROKEN_ZIP:
        return Scan(reason=f"`{path.name}` is not a zip: it is cut, or a bare pickle of an old torch, which is unsafe")
    if reason:
        return Scan(reason=f"`{path.name}` {reason}")
    scan = _read(text)
    identity = hashlib.sha256("\n".join(sorted(_line(entry) for entry in entries)).encode()).hexdigest()
    return Scan(f"`{path.name}` {scan.reason}" if scan.reason else "", scan.config, scan.pretrained, identity)


def _directory_bytes(path: Path, size: int) -> int:
    """How long a zip's directory says that it is, which is read at once (APPNOTE 6.3.10, 4.3.14 and 4.3.16)."""
    with path.open("rb") as file:
        file.seek(max(size - _TAIL_BYTES, 0))
        tail = file.read(_TAIL_BYTES)
    told = [0]
    for mark, at, form in ((b"PK\5\6", 12, "<I"), (b"PK\6\6", 40, "<Q")):
        found = [place.start() + at for place in re.finditer(re.escape(mark), tail)]
        fitting = (start for start in found if start + struct.calcsize(form) <= len(tail))
        told += [struct.unpack_from(form, tail, start)[0] for start in fitting]
    return max(length for length in told if length != 0xFFFFFFFF)


def _line(entry: zipfile.ZipInfo) -> str:
    """Of one entry; the archive's own name, which is the first folder, does not count."""
    return f"{entry.filename.partition('/')[2]} {entry.file_size} {entry.CRC:08x}"


def _bad_zip(entries: list[zipfile.ZipInfo], pickles: list[zipfile.ZipInfo], size: int) -> str:
    names = {entry.orig_filename.lower() for entry in entries}  # torch finds names whatever their case
    if len(pickles) != 1 or len(entries) > _ENTRIES or not pickles[0].filename.endswith("/data.pkl"):
        return "is not a file of torch"
    if len(names) < len(entries) or any(entry.orig_filename != entry.filename for entry in entries):
        return "has two parts of one name"
    if any(entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 for entry in entries):
        return "is compressed or locked, which torch's files never are"
    if pickles[0].file_size > _PICKLE_BYTES or sum(entry.file_size for entry in entries) > size:
        return "claims to hold more than it can"
    return ""


def _read(data: bytes) -> Scan:
    """Go through a pickle's instructions without carrying them out."""
    texts: dict[str, str] = {}
    previous, count = "", 0
    try:
        for instruction, argument, _ in pickletools.genops(data):
            count += 1
            if count > _INSTRUCTIONS:
                return Scan("holds far too many values")
            if bad := _unsafe(instruction.name, argument):
                return Scan(bad)
            if isinstance(argument, str) and "UNICODE" in instruction.name:
                if previous in ("xp.cfg", "pretrained"):
                    texts.setdefault(previous, argument)
                previous = argument
    except (ValueError, KeyError, IndexError, TypeError, OverflowError, UnicodeError) as error:
        return Scan(f"holds a damaged pickle: {type(error).__name__}")
    if len(texts.get("xp.cfg", "")) > CONFIG_CHARS:
        return Scan("has an absurdly long configuration")
    missing = "" if texts else "has no configuration (`xp.cfg`)"
    return Scan(missing, texts.get("xp.cfg", ""), texts.get("pretrained", ""))


def _unsafe(name: str, argument: object) -> str:
    """What torch's safe loader would not do: import something else, or imports by names that are computed."""
    if name == "GLOBAL" and not _SAFE.fullmatch(str(argument)):
        what = str(argument).replace(" ", ".")[:80]
        return f"would import `{what}` when it is loaded, and could run anything: it is refused"
    if name in ("STACK_GLOBAL", "INST", "OBJ", "EXT1", "EXT2", "EXT4", "PERSID"):
        return f"uses pickle's `{name}`, which weights never need: it is refused"
    return ""
