"""Tells by its first bytes which kind of file something is.

A person may well keep a WAV file under the name of an OGG. That is unusual and not broken, so a file is judged by
what it is. Only marks of four bytes and more count: no flipped bit turns one of ours into another.
"""

from __future__ import annotations

from collections.abc import Mapping

from tydust_assetgen.codec.containers import mp3
from tydust_assetgen.codec.tags import id3

OTHERS: Mapping[bytes, str] = {
    b"FORM": "an AIFF or another IFF file",
    b"RIFX": "a big-endian RIFF file",
    b"riff": "a Wave64 file",
    b"caff": "a CAF file",
    b".snd": "an AU file",
    b"wvpk": "a WavPack file",
    b"MAC ": "a Monkey's Audio file",
    b"MPCK": "a Musepack file",
    b"TTA1": "a True Audio file",
    b"MThd": "a MIDI file",
    b"IMPM": "a tracker module",
    b"Extended Module:": "a tracker module",
    b"\x1a\x45\xdf\xa3": "a Matroska or WebM file",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": "a WMA file",
    b"version https://git-lfs": "only the pointer of Git LFS to a file, `git lfs pull` brings the file itself",
}
"""What we have no eye for. Such a file is never called broken."""
_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide")


def container(data: bytes) -> str:
    """`ogg`, `flac`, `wav`, `m4a` or `mp3`, or words for what else it is; empty when nothing here knows it."""
    start = id3.end_of_all(data)
    head = data[start : start + 32]
    if head[:4] in (b"OggS", b"fLaC"):
        return "ogg" if head[:4] == b"OggS" else "flac"
    if head[:4] in (b"RIFF", b"RF64", b"BW64") and len(head) >= 12:
        return "wav" if head[8:12] == b"WAVE" else _riff(head[8:12])
    if head[4:8] in _BOXES:
        return "m4a"
    other = next((words for mark, words in OTHERS.items() if head.startswith(mark)), "")
    return other or ("mp3" if mp3.begins(data) else "an AAC file" if _is_adts(data, start) else "")


def _riff(form: bytes) -> str:
    """A name is four letters or spaces; anything else is a broken `WAVE`, or could be."""
    differing = sum(one != other for one, other in zip(form, b"WAVE", strict=True))
    return "a RIFF file without a wave" if differing > 2 and form.replace(b" ", b"").isalnum() else ""


def _is_adts(data: bytes, position: int) -> bool:
    """Three frames in a row with the same head (ISO/IEC 13818-7, section 6.2)."""
    head = data[position : position + 3]
    for _ in range(3):
        here = data[position : position + 7]
        if len(here) < 7 or here[0] != 0xFF or here[1] & 0xF6 != 0xF0 or here[:3] != head:
            return False
        position += max((int.from_bytes(here[3:6], "big") >> 5) & 0x1FFF, 7)
    return True
