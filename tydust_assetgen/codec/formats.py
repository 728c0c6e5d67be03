"""What every audio format can do, what is in a file, and whether a file is whole.

Loads neither numpy nor an encoder, so that planning and checking stay cheap. A new format needs an entry in
`EXTENSIONS` (and in `flow.Codec`), its limits in `objection`, a `damage` function in `containers/`, and its way through
`encoding` and `decoding`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

import msgspec

from tydust_assetgen.audio import Audio, LoopPoints

if TYPE_CHECKING:
    from tydust_assetgen.flow import Codec, Output

EXTENSIONS: dict[str, Codec] = {
    ".ogg": "ogg",
    ".mp3": "mp3",
    ".flac": "flac",
    ".wav": "wav",
    ".opus": "opus",
    ".m4a": "m4a",
}
"""Which codec a file name asks for."""

ONLY_READ = (".aac", ".ac3", ".m4b", ".mka", ".mov", ".mp4", ".webm", ".wma", ".wv")
"""Extensions of sounds that can be followed, but not made; ffmpeg decodes them."""

CONTAINERS: dict[Codec, str] = {codec: "ogg" if codec == "opus" else codec for codec in EXTENSIONS.values()}
"""What each codec's files are, by the names of `sniff.container`."""

OPUS_RATE_HZ = 48_000
"""Opus has one rate at the decoder (RFC 7845, section 5.1); masters at another rate are resampled to it."""

MAX_BYTES = 512 * 1024 * 1024
MAX_DURATION_S = 1800.0
"""`decode` takes nothing larger or longer: what it is given may come from anywhere."""


class Tags(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in the file about the track. Empty ones are left out. Loop points come from the master."""

    title: str = ""
    game: str = ""
    prompt_digest: str = ""
    generator: str = ""
    version: str = ""
    """Of the generator."""
    model: str = ""
    licence: str = ""


@dataclass(frozen=True)
class Decoded:
    """What is in a file, by its bytes and not by its name."""

    audio: Audio
    codec: Codec
    bitrate_kbps: float
    """Of the frames for MP3, else the file's size over its duration."""
    bits: str
    """`16`, `24` or `float` (or `8`, `32`) for WAV and FLAC; empty for the others."""
    loop: LoopPoints | None
    tags: dict[str, str]
    """By the names of `Tags`; what else the file holds, by its own name in lower case."""

    @property
    def rate_hz(self) -> int:
        return self.audio.rate_hz

    @property
    def channels(self) -> int:
        return self.audio.channels

    @property
    def frames(self) -> int:
        return self.audio.frames


def codec_of(path: str) -> Codec | None:
    """The codec that a file name asks for, upper or lower case; None for an unknown extension."""
    return EXTENSIONS.get(PurePath(path).suffix.lower())


def available(codec: Codec) -> str:
    """Empty when this machine can encode and decode the codec, else the reason, and what to install."""
    if codec != "m4a":
        return ""
    from tydust_assetgen.codec import ffmpeg

    return ffmpeg.missing()


def objection(output: Output, rate_hz: int) -> str:
    """What the codec can't do of this output, in words; empty when all is well. For asking before the work is done."""
    if output.codec == "ogg" and not 0.0 <= output.quality <= 10.0:
        return f"ogg quality {output.quality:g} is not possible here, libsndfile has 0 to 10"
    if output.codec == "mp3":
        from tydust_assetgen.codec.containers import mp3

        return mp3.objection(output.bitrate_kbps, rate_hz)
    if output.codec in ("opus", "m4a") and not 16 <= output.bitrate_kbps <= 512:
        return f"{output.codec} at {output.bitrate_kbps} kb/s is not possible, take 16 to 512"
    if output.codec == "flac" and output.bits == "float":
        return "flac has no float samples, take `bits = 24` or `16`"
    return ""


def delivered(codec: Codec, rate_hz: int, frames: int) -> tuple[int, int]:
    """Rate and frames per channel in the file, for a master of this rate and length. Only Opus changes them."""
    if codec != "opus" or rate_hz == OPUS_RATE_HZ:
        return rate_hz, frames
    return OPUS_RATE_HZ, (frames * OPUS_RATE_HZ + rate_hz // 2) // rate_hz


def damage(data: bytes, codec: Codec) -> str:
    """What is broken in a file, in words; empty when it is whole. Standard library only, milliseconds a megabyte.

    Ogg and FLAC carry checksums over the whole audio, and so does an MP3 that LAME wrote: cuts and flipped bits are
    found. WAV and M4A have none: cuts are found.

    Only what is certainly broken is called so, never what is unusual. A whole file of another kind than `codec` is
    whole too; that it is another, `decode` says.
    """
    if not data:
        return "it is empty"
    from tydust_assetgen.codec.containers import flac, mp3, mp4, ogg, riff, sniff

    checkers = {"ogg": ogg.damage, "flac": flac.damage, "mp3": mp3.damage, "wav": riff.damage, "m4a": mp4.damage}
    found = sniff.container(data) or CONTAINERS[codec]
    return checkers[found](data) if found in checkers else ""


def reason(error: Exception) -> str:
    """What libsndfile says, without the name that Python has for our bytes."""
    return str(getattr(error, "error_string", error)).rstrip(".").strip()
