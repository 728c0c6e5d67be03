"""Which files a slot becomes. In walk its name and its settings, out walk its `Output`s, the slot's own first."""

from __future__ import annotations

import re
from typing import Any

from tydust_assetgen.flow import Output
from tydust_assetgen.manifest.check import Fault
from tydust_assetgen.manifest.layers import Layers, merged, pick
from tydust_assetgen.manifest.paths import codec_of, with_format

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
