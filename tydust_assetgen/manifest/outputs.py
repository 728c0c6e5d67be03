"""Which files a slot becomes: its `Output`s, the slot's own first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from tydust_assetgen.flow import Output
from tydust_assetgen.manifest.paths import codec_of, same_file, with_format
from tydust_assetgen.manifest.precedence import Layers, merged, pick
from tydust_assetgen.manifest.tables import CODECS
from tydust_assetgen.manifest.validate import Fault

# ISO/IEC 11172-3 (layer III, 32 to 48 kHz) and 13818-3 (16 to 24 kHz) know these bit rates only.
_MP3_KBPS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MP3_LOW_KBPS = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_MP3_RATES_HZ = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_MP3_DEFAULT_KBPS = 192


def title(slot: str) -> str:
    """A title from a file name: `music/phase1_calm.ogg` is `Phase1 Calm`."""
    stem = slot.rpartition("/")[2].rpartition(".")[0]
    return " ".join(word[:1].upper() + word[1:] for word in re.split(r"[\s_-]+", stem) if word) or slot


def paths(slot: str, also: list[str]) -> tuple[tuple[str, str], ...]:
    """Path and codec of each file of a slot, its own first, each once."""
    own = codec_of(slot)
    return ((slot, own), *((with_format(slot, codec), codec) for codec in dict.fromkeys(also) if codec != own))


def outputs(slot: str, stack: Layers) -> tuple[Output, ...]:
    """The files of a slot. Options that a codec does not have keep their default, so that they never make it stale."""
    return tuple(
        Output(path=path, codec=codec, **_options(merged(stack, codec)))  # type: ignore[arg-type]
        for path, codec in paths(slot, pick(stack, "also"))
    )


def output_faults(slot: str, stack: Layers) -> tuple[Fault, ...]:
    """Settings that an MP3 file can't have."""
    if "mp3" not in (codec for _, codec in paths(slot, pick(stack, "also"))):
        return ()
    rate, kbps = pick(stack, "sample_rate"), merged(stack, "mp3").get("bitrate", _MP3_DEFAULT_KBPS)
    if rate not in _MP3_RATES_HZ:
        return (Fault("sample_rate", f"MP3 has no sample rate of {rate} Hz", "choose 44100 or 48000"),)
    allowed = _MP3_KBPS if rate >= 32_000 else _MP3_LOW_KBPS
    if kbps in allowed:
        return ()
    near = min(allowed, key=lambda one: (abs(one - kbps), one))
    return (Fault("mp3.bitrate", f"MP3 at {rate} Hz has no bit rate of {kbps} kb/s", f"the nearest is {near}"),)


def _options(table: dict[str, Any]) -> dict[str, Any]:
    """A codec's table as fields of `Output`."""
    options: dict[str, Any] = {}
    if "quality" in table:
        options["quality"] = float(table["quality"])
    if "bitrate" in table:
        options["bitrate_kbps"] = table["bitrate"]
    if "bits" in table:
        options["bits"] = str(table["bits"])
    return options


class Clash(NamedTuple):
    """Two slots that write one file."""

    slot: str
    path: str
    owner: str

    def fault(self) -> Fault:
        """In words, for the slot that came second."""
        if self.path == self.slot and same_file(self.owner) == same_file(self.slot):
            message = f"writes the same file as `{self.owner}` on a disk that ignores case"
        else:
            message = f"writes `{self.path}`, as `{self.owner}` does"
        hint = "rename one of them, or remove a format from `also`"
        return Fault("", message, hint, other_slot=self.owner)


class Claims(NamedTuple):
    """The owner of each file (by its folded path), and who clashes with it."""

    owners: dict[str, str]
    clashes: Mapping[str, Mapping[str, Clash]]
    """By slot and path."""

    def faults(self, slot: str, paths: Iterable[str]) -> Iterator[Fault]:
        """What other slots already claim of a slot's files; `paths` are those that only its recipe knows."""
        seen = self.clashes.get(slot, {})
        yield from (clash.fault() for clash in seen.values())
        for path in paths:
            if path in seen:
                continue
            owner = self.owners.get(same_file(path), slot)
            if owner != slot:
                yield Clash(slot, path, owner).fault()
        for parent in _parents(slot):
            if same_file(parent) in self.owners:
                message = f"lies in a folder that has the name of a file: `{parent}`"
                yield Fault("", message, "rename one of them", other_slot=self.owners[same_file(parent)])


def claim(music: Mapping[str, Any], defaults: Mapping[str, Any], genres: Mapping[str, Mapping[str, Any]]) -> Claims:
    """Goes over all slots. `defaults` and `genres` are checked tables."""
    owners: dict[str, str] = {}
    clashes: dict[str, dict[str, Clash]] = {}
    common = defaults.get("also", ())
    for slot, raw in music.items():
        also = _also(raw, common, defaults, genres) if isinstance(raw, dict) else common
        for path in (slot, *(with_format(slot, codec) for codec in also)) if also else (slot,):
            owner = owners.setdefault(same_file(path), slot)
            if owner != slot:
                clashes.setdefault(slot, {})[path] = Clash(slot, path, owner)
    return Claims(owners, clashes)


def _also(
    raw: Mapping[str, Any], common: Iterable[str], defaults: Mapping[str, Any], genres: Mapping[str, Mapping[str, Any]]
) -> Iterable[str]:
    if "also" in raw:
        listed = raw["also"]
        return [codec for codec in listed if codec in CODECS] if isinstance(listed, list) else ()
    genre = raw.get("genre", defaults.get("genre"))
    table = genres.get(genre) if isinstance(genre, str) else None
    return table.get("also", common) if table else common


def _parents(path: str) -> Iterator[str]:
    at = path.rfind("/")
    while at > 0:
        yield path[:at]
        at = path.rfind("/", 0, at)
