"""Decodes every encoded file again and checks that it is what was asked for, before it is published.

The checks are those of the container (`container`) and of the sound (`sound`). For another
check, write a function there that returns a `Check` (made by `checks.judged`), and raise `VERIFY_VERSION`.
"""

from __future__ import annotations

import hashlib

from tydust_assetgen import dsp
from tydust_assetgen.codec import Decoded, decode
from tydust_assetgen.errors import AssetgenError, CodecError, Problem
from tydust_assetgen.flow import Check, Encoded, Facts, Output, Recipe, Sound, Verified
from tydust_assetgen.verify.checks import LOSSY, judged
from tydust_assetgen.verify.container import container_checks
from tydust_assetgen.verify.sound import finite_check, music_checks, signal_checks

__all__ = ["VERIFY_VERSION", "VerificationError", "inspect", "listen", "verify"]

QUIETEST_DB = -120.0
"""Silence has no level that can be written down."""

VERIFY_VERSION = "1"
"""Goes up when a file that passed may fail, or the other way round."""


class VerificationError(AssetgenError):
    """A file was made, and it is not what was asked for. `checks` are all that were made, good and bad."""

    def __init__(self, checks: tuple[Check, ...], output: Output, recipe: Recipe) -> None:
        self.checks = checks
        failed = [check for check in checks if check.status == "fail"]
        super().__init__(f"`{output.path}` fails {', '.join(f'`{check.name}`' for check in failed)}")
        self.problems = tuple(
            Problem(
                f"`{output.path}` fails `{check.name}`: {check.reason}", recipe.place, recipe.slot, _hint(check, output)
            )
            for check in failed
        )


def _hint(check: Check, output: Output) -> str:
    """At low qualities the noise of a codec may break a wave where it wraps."""
    if check.name != "seam" or output.codec not in LOSSY:
        return ""
    return "try a higher quality, or `flac` or `wav`, which change nothing"


def verify(encoded: Encoded, recipe: Recipe, facts: Facts) -> Verified:
    """Inspect the bytes of one output, and let them pass only if no check fails. Warnings pass.

    Args:
        encoded: the bytes as they will stand in the asset tree.
        recipe: what was asked.
        facts: what the generator knows about its performance, with `loop_frames` at the master's rate.

    Raises:
        VerificationError: a check fails; the error carries them all.
    """
    checks, decoded = _inspected(encoded.data, encoded.output, recipe, facts)
    if any(check.status == "fail" for check in checks):
        raise VerificationError(checks, encoded.output, recipe)
    digest = hashlib.sha256(encoded.data).hexdigest()
    sound = _sound(decoded, checks) if decoded else None
    return Verified(output=encoded.output, digest=digest, size=len(encoded.data), checks=checks, sound=sound)


def inspect(data: bytes, output: Output, recipe: Recipe, facts: Facts) -> tuple[Check, ...]:
    """Every check on the bytes of one output, always in the same order. Never raises for what is in the bytes.

    Where they don't decode, that is the only check; where samples are not finite, the signal and the
    music are not measured.

    Raises:
        UnavailableError: the decoder for this codec is not installed here.
    """
    return _inspected(data, output, recipe, facts)[0]


def listen(data: bytes, output: Output) -> Sound | None:
    """What is measured on a file that need not be one that was made here; `None` where it does not decode.

    Raises:
        UnavailableError: the decoder for this codec is not installed here.
    """
    _, decoded = _decoded(data, output)
    if decoded is None or finite_check(decoded.audio).status == "fail":
        return None
    audio = decoded.audio
    return _sound_of(decoded, dsp.integrated_lufs(audio), dsp.true_peak_dbtp(audio))


def _sound(decoded: Decoded, checks: tuple[Check, ...]) -> Sound:
    """Loudness and peak are not measured twice."""
    found = {check.name: check.measured.split()[0] for check in checks if check.name in ("loudness", "true_peak")}
    return _sound_of(decoded, float(found["loudness"]), float(found["true_peak"]))


def _sound_of(decoded: Decoded, lufs: float, true_peak_dbtp: float) -> Sound:
    return Sound(
        frames=decoded.audio.frames,
        rate_hz=decoded.rate_hz,
        channels=decoded.channels,
        lufs=round(max(lufs, QUIETEST_DB), 1),
        true_peak_dbtp=round(max(true_peak_dbtp, QUIETEST_DB), 1),
        loop=decoded.loop,
    )


def _inspected(data: bytes, output: Output, recipe: Recipe, facts: Facts) -> tuple[tuple[Check, ...], Decoded | None]:
    whole, decoded = _decoded(data, output)
    if decoded is None:
        return (whole,), None
    container = (whole, *container_checks(decoded, output, recipe, facts))
    finite = finite_check(decoded.audio)
    if finite.status == "fail":
        return (*container, finite), None
    signal = signal_checks(decoded, output, recipe, facts)
    return (*container, finite, *signal, *music_checks(decoded.audio, recipe, facts)), decoded


def _decoded(data: bytes, output: Output) -> tuple[Check, Decoded | None]:
    """The `decodes` check, and what came out where anything did."""
    broken, decoded = "", None
    try:
        decoded = decode(data, output.codec)
    except CodecError as error:
        broken = error.problems[0].message
    if decoded is not None and decoded.audio.frames == 0:
        broken, decoded = "there is no sound in it", None
    return judged("decodes", not broken, "damaged" if broken else "whole", "whole", broken), decoded
