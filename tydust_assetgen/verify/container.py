"""Checks of the container: what the file says it is, how long it is, and where it loops."""

from __future__ import annotations

from tydust_assetgen.audio import LoopPoints
from tydust_assetgen.codec import Decoded
from tydust_assetgen.flow import Check, Facts, Output, Recipe
from tydust_assetgen.verify.checks import PADDED, bar_s, delivered_rate_hz, judged, promised_frames

DURATION_TOLERANCE_S = 0.5
LONGEST_BAR_S = 4.0
"""Four beats at 60 BPM: what whole bars may cost where neither length nor tempo is known beforehand."""
TAIL_S = 6.0
"""How much longer than asked a track that does not loop may ring out."""
PADDING_FRAMES = 3 * 1152
"""An MP3 encoder's delay (528 + 1 + 576) and what fills its last frame, at most (LAME tag specification)."""
BITRATE_SPREAD = 0.5
"""Opus and AAC hold their bit rate on average only; simple music takes much less, and short files pay for headers."""


def container_checks(decoded: Decoded, output: Output, recipe: Recipe, facts: Facts) -> tuple[Check, ...]:
    """Codec, rate, channels, bit rate, frames, duration and loop points, in this order."""
    rate_hz = delivered_rate_hz(output.codec, recipe)
    channels = recipe.finish.channels
    return (
        _same("codec", decoded.codec, output.codec, "the file is in another codec than its name says"),
        _same("rate", f"{decoded.rate_hz} Hz", f"{rate_hz} Hz", "players would resample it"),
        _same("channels", str(decoded.channels), str(channels), "the channels were not mixed as asked"),
        _bitrate(decoded, output),
        _frames(decoded, output, recipe, facts),
        _duration(decoded, recipe, facts),
        _loop(decoded, output, recipe, facts),
    )


def _same(name: str, measured: str, wanted: str, reason: str) -> Check:
    return judged(name, measured == wanted, measured, wanted, reason)


def _bitrate(decoded: Decoded, output: Output) -> Check:
    measured = f"{decoded.bitrate_kbps:.0f} kb/s"
    if output.codec == "mp3":
        right = round(decoded.bitrate_kbps) == output.bitrate_kbps
        return judged("bitrate", right, measured, f"{output.bitrate_kbps} kb/s", "the bit rate is not the one asked")
    if output.codec in {"opus", "m4a"}:
        limit = output.bitrate_kbps * (1 + BITRATE_SPREAD)
        return judged("bitrate", 0 < decoded.bitrate_kbps <= limit, measured, f"up to {limit:.0f} kb/s", "too high")
    if output.codec == "ogg":
        return judged("bitrate", 8 <= decoded.bitrate_kbps <= 500, measured, "8 to 500 kb/s", "not a sane bit rate")
    measured, wanted = f"{decoded.bits} bits", f"{output.bits} bits"
    return _same("bitrate", measured, wanted, "the samples are in another format")


def _frames(decoded: Decoded, output: Output, recipe: Recipe, facts: Facts) -> Check:
    frames = decoded.audio.frames
    promised = promised_frames(output.codec, recipe, facts)
    if not promised:
        return judged("frames", frames == decoded.frames, str(frames), str(decoded.frames), "the file is cut short")
    spare = PADDING_FRAMES if output.codec in PADDED else 0
    wanted = f"{promised} to {promised + spare}" if spare else str(promised)
    reason = f"the loop is {frames - promised:+d} frames off"
    return judged("frames", promised <= frames <= promised + spare, str(frames), wanted, reason)


def _duration(decoded: Decoded, recipe: Recipe, facts: Facts) -> Check:
    """Half a bar is allowed where the piece is made of whole bars, a bar where a loop had to be found in what a model
    played, and a tail where it does not loop. A loop that was found further off is better than none."""
    asked_s, heard_s = recipe.brief.duration_s, decoded.audio.duration_s
    found = recipe.finish.loop and facts.near_frames > 0 and not facts.bars
    spare_s = LONGEST_BAR_S if found else max(bar_s(facts) / 2 + 0.01, DURATION_TOLERANCE_S)
    tail_s = 0.0 if recipe.finish.loop else TAIL_S
    wanted = f"{asked_s:.2f} s ± {spare_s:.2f} s" + (f", and a tail up to {tail_s:.0f} s" if tail_s else "")
    word = "short" if heard_s < asked_s else "long"
    right = asked_s - spare_s <= heard_s <= asked_s + spare_s + tail_s
    reason = f"it is {abs(heard_s - asked_s):.2f} s too {word}" + (", and no better loop was found" if found else "")
    return judged("duration", right, f"{heard_s:.2f} s", wanted, reason, otherwise="warn" if found else "fail")


def _loop(decoded: Decoded, output: Output, recipe: Recipe, facts: Facts) -> Check:
    measured = _span(decoded.loop)
    if not recipe.finish.loop:
        return judged("loop", decoded.loop is None, measured, "none", "a player would loop it", otherwise="warn")
    length = promised_frames(output.codec, recipe, facts) or decoded.audio.frames
    wanted = _span(LoopPoints(0, length))
    if decoded.loop is None and output.codec == "m4a":
        return judged("loop", False, measured, wanted, "M4A carries no loop points", otherwise="warn")
    return judged("loop", measured == wanted, measured, wanted, "the loop points are not those of the music")


def _span(loop: LoopPoints | None) -> str:
    return f"{loop.start_frames} to {loop.end_frames}" if loop else "none"
