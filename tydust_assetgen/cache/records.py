"""How a record looks on a remote, and whether one that anybody may have written can be trusted.

The names are those of Bazel's HTTP cache, and the same on every kind of remote: `ac/KEY` is a record, `cas/DIGEST` is
content. A record says for which key it is. Where the team has a secret, it is signed with it (HMAC-SHA256, RFC 2104),
and one that is not is refused.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import re
from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

import msgspec

from tydust_assetgen.flow import Facts, Sound, TakeSelection
from tydust_assetgen.store import OutputRecord, TakeRecord, digest_in, is_digest

Kind: TypeAlias = Literal["takes", "outputs"]
"""What is shared. Masters are not: they are large, and made of a take in moments, without a GPU."""
MAX_RECORD_BYTES = 1 << 20
MAX_CONTENT_BYTES = 512 << 20
_FORMAT = 1
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What steers a terminal."""
_FINE_BPM, _FINE_BEATS, _FINE_BARS, _FINE_SECONDS = 1000, 64, 100_000, 36_000
_FINE_DB = 300


class RefusedError(Exception):
    """Why a record is not trusted, in words."""


class CacheRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A record that may be trusted."""

    record: TakeRecord | OutputRecord
    contest: TakeSelection | None = None


class _Envelope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    assetgen: int
    kind: Kind
    key: str
    record: msgspec.Raw
    contest: msgspec.Raw = msgspec.Raw(b"null")
    mac: str = ""


def record_name(key: str) -> str:
    return f"ac/{key}"


def content_name(digest: str) -> str:
    return f"cas/{digest}"


def write_record(kind: Kind, key: str, cached: CacheRecord, secret: bytes) -> bytes:
    """A record's bytes, signed where there is a secret."""
    record = msgspec.json.encode(cached.record, order="deterministic")
    contest = msgspec.json.encode(cached.contest, order="deterministic")
    mac = _mac(kind, key, record, contest, secret) if secret else ""
    envelope = _Envelope(
        assetgen=_FORMAT, kind=kind, key=key, record=msgspec.Raw(record), contest=msgspec.Raw(contest), mac=mac
    )
    return msgspec.json.encode(envelope)


def read_record(kind: Kind, key: str, data: bytes, secret: bytes) -> CacheRecord:
    """A record, if it may be trusted.

    Raises:
        RefusedError: it may not.
    """
    try:
        envelope = msgspec.json.decode(data, type=_Envelope)
        if (envelope.assetgen, envelope.kind, envelope.key) != (_FORMAT, kind, key):
            raise RefusedError("a record is for something else, or from a newer assetgen")
        record, contest = bytes(envelope.record), bytes(envelope.contest)
        if secret and not hmac.compare_digest(_mac(kind, key, record, contest, secret), envelope.mac):
            raise RefusedError("a record is not signed with this team's secret")
        cached = CacheRecord(
            record=_record(kind, record), contest=msgspec.json.decode(contest, type=TakeSelection | None)
        )
    except (msgspec.MsgspecError, UnicodeError, RecursionError, TypeError):
        raise RefusedError("a record can't be read") from None
    if fault := _fault(cached):
        raise RefusedError(f"a record has {fault}")
    return cached


def size_of(record: TakeRecord | OutputRecord) -> int:
    """Of the content that it names, in bytes."""
    if isinstance(record, OutputRecord):
        return record.verified.size
    return 4 * record.audio.channels * record.audio.frames


def _record(kind: Kind, data: bytes) -> TakeRecord | OutputRecord:
    if kind == "takes":
        return msgspec.json.decode(data, type=TakeRecord)
    return msgspec.json.decode(data, type=OutputRecord)


def _mac(kind: Kind, key: str, record: bytes, contest: bytes, secret: bytes) -> str:
    parts = (b"assetgen", b"%d" % _FORMAT, kind.encode(), key.encode(), hashlib.sha256(contest).digest(), record)
    return hmac.new(secret, b"\0".join(parts), hashlib.sha256).hexdigest()


def _fault(cached: CacheRecord) -> str:
    """What no honest record has; empty where there is nothing."""
    record = cached.record
    if not is_digest(digest_in(record)):
        return "no digest"
    if not 0 < size_of(record) <= MAX_CONTENT_BYTES:
        return "an impossible size"
    if isinstance(record, TakeRecord) and not _likely_audio(record):
        return "impossible sound"
    if isinstance(record, OutputRecord) and not _likely_sound(record.verified.sound):
        return "impossible sound"
    if not _likely(record.facts):
        return "impossible facts"
    plain = msgspec.to_builtins(cached)
    return "" if not any(_CONTROL.search(text) for text in _texts(plain)) else "control characters"


def _likely_audio(record: TakeRecord) -> bool:
    audio, facts = record.audio, record.facts
    shape = 1 <= audio.channels <= 8 and 1000 <= audio.rate_hz <= 768_000 and audio.frames > 0
    return shape and 0 <= facts.loop_frames <= audio.frames and 0 <= facts.near_frames <= 16 * audio.frames


def _likely_sound(sound: Sound | None) -> bool:
    if sound is None:
        return True
    start, end = (sound.loop.start_frames, sound.loop.end_frames) if sound.loop else (0, sound.frames)
    levels = (sound.lufs, sound.true_peak_dbtp)
    return (
        1 <= sound.channels <= 8
        and 1000 <= sound.rate_hz <= 768_000
        and 0 <= start < end <= sound.frames
        and all(math.isfinite(level) and abs(level) <= _FINE_DB for level in levels)
    )


def _likely(facts: Facts) -> bool:
    counts = 1 <= facts.beats_per_bar <= _FINE_BEATS and 0 <= facts.bars <= _FINE_BARS
    times = [time for one in facts.sections for time in (one.start_s, one.length_s)]
    return (
        counts
        and math.isfinite(facts.bpm)
        and 0 <= facts.bpm <= _FINE_BPM
        and len(facts.sections) <= 256
        and all(math.isfinite(time) and 0 <= time <= _FINE_SECONDS for time in times)
    )


def _texts(plain: Any) -> Iterator[str]:
    if isinstance(plain, str):
        yield plain
    elif isinstance(plain, dict):
        for name, value in plain.items():
            yield from _texts(name)
            yield from _texts(value)
    elif isinstance(plain, list | tuple):
        for value in plain:
            yield from _texts(value)
