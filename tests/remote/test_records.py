"""Records from elsewhere are untrusted: whatever the bytes, they are refused or right."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tydust_assetgen.cache.records import CacheRecord, RefusedError, read_record, write_record
from tydust_assetgen.flow import Facts, Output, Provenance, SectionTime, Verified
from tydust_assetgen.store import OutputRecord, StoredAudio, TakeRecord

KEY = "ab" * 32
FACTS = Facts(key="D minor", bpm=90, bars=8, loop_frames=4000, sections=(SectionTime("intro", 0, 2),))
MADE = Provenance(generator="tone", version="1", licence="CC0-1.0")
TAKE = TakeRecord(
    audio=StoredAudio(digest="cd" * 32, channels=2, frames=5000, rate_hz=44100), facts=FACTS, provenance=MADE
)
FILE = OutputRecord(
    verified=Verified(output=Output(path="a.ogg", codec="ogg"), digest="ef" * 32, size=900, checks=()),
    facts=FACTS,
    provenance=MADE,
)


@pytest.mark.parametrize("secret", [b"", b"team"])
def test_what_is_written_is_read(secret: bytes) -> None:
    for kind, record in (("takes", TAKE), ("outputs", FILE)):
        data = write_record(kind, KEY, CacheRecord(record=record), secret)  # type: ignore[arg-type]
        assert read_record(kind, KEY, data, secret).record == record  # type: ignore[arg-type]
        assert read_record(kind, KEY, data, b"").record == record  # type: ignore[arg-type]


def _changed(path: str, value: Any, record: TakeRecord | OutputRecord = TAKE) -> bytes:
    kind = "takes" if record is TAKE else "outputs"
    document = json.loads(write_record(kind, KEY, CacheRecord(record=record), b""))  # type: ignore[arg-type]
    *way, last = path.split(".")
    inner = document
    for step in way:
        inner = inner[step]
    inner[last] = value
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("assetgen", 2),
        ("kind", "outputs"),
        ("kind", "masters"),
        ("key", "00" * 32),
        ("more", 1),
        ("record.audio.digest", "../../etc/passwd"),
        ("record.audio.digest", "CD" * 32),
        ("record.audio.frames", 0),
        ("record.audio.frames", 10**12),
        ("record.audio.channels", -2),
        ("record.audio.rate_hz", 1),
        ("record.facts.loop_frames", 5001),
        ("record.facts.loop_frames", -1),
        ("record.facts.bpm", -1),
        ("record.facts.bpm", 1e300),
        ("record.facts.beats_per_bar", 0),
        ("record.facts.bars", 10**9),
        ("record.facts.key", "D\x1b[31m"),
        ("record.facts.sections", [["a", 0, 1]] * 300),
        ("record.facts.sections", [["a", -1, 1]]),
        ("record.provenance.libraries", {"a\x00": "b"}),
        ("record.notes", ["\x9b2J"]),
        ("contest", {"entrants": 1}),
    ],
)
def test_what_no_honest_record_has_is_refused(path: str, value: Any) -> None:
    assert read_record("takes", KEY, _changed("mac", ""), b"").record == TAKE
    with pytest.raises(RefusedError):
        read_record("takes", KEY, _changed(path, value), b"")


@pytest.mark.parametrize("size", [0, -1, 10**10])
def test_impossible_sizes_are_refused(size: int) -> None:
    with pytest.raises(RefusedError, match="size"):
        read_record("outputs", KEY, _changed("record.verified.size", size, FILE), b"")


HEARD = {"frames": 900, "rate_hz": 44100, "channels": 2, "lufs": -16.0, "true_peak_dbtp": -1.0}


@pytest.mark.parametrize(
    "changed",
    [{"frames": 0}, {"rate_hz": 1}, {"channels": 99}, {"lufs": 1e9}, {"loop": {"start_frames": 5, "end_frames": 901}}],
)
def test_impossible_loops_and_levels_are_refused(changed: dict[str, Any]) -> None:
    fine = {**HEARD, "loop": {"start_frames": 5, "end_frames": 900}}
    found = read_record("outputs", KEY, _changed("record.verified.sound", fine, FILE), b"").record
    assert isinstance(found, OutputRecord)
    assert found.verified.sound
    with pytest.raises(RefusedError, match="sound"):
        read_record("outputs", KEY, _changed("record.verified.sound", {**HEARD, **changed}, FILE), b"")


def test_a_signature_is_of_the_record_its_kind_and_its_key() -> None:
    signed = write_record("takes", KEY, CacheRecord(record=TAKE), b"team")
    for old, new in ((b"D minor", b"E minor"), (KEY.encode(), b"00" * 32), (b"tone", b"toni")):
        assert old in signed
        for key in (KEY, "00" * 32):
            with pytest.raises(RefusedError):
                read_record("takes", key, signed.replace(old, new), b"team")
    for secret in (b"other", b"team "):
        with pytest.raises(RefusedError, match="signed"):
            read_record("takes", KEY, signed, secret)


@given(st.binary(max_size=300))
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(RefusedError):
        read_record("takes", KEY, data, b"")


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_changed_byte_is_refused_or_harmless(at: int, byte: int) -> None:
    data = bytearray(write_record("takes", KEY, CacheRecord(record=TAKE), b"team"))
    data[at % len(data)] = byte
    try:
        found = read_record("takes", KEY, bytes(data), b"team")
    except RefusedError:
        return
    assert found.record == TAKE


def test_a_deep_record_is_refused() -> None:
    with pytest.raises(RefusedError):
        read_record("takes", KEY, b"[" * 100_000, b"")
