"""Cuts at every kind of place, flipped bits, and whole files from other encoders."""

from __future__ import annotations

import contextlib
import io
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.codec.sounds import encoded, tune
from tydust_assetgen.codec import damage, decode
from tydust_assetgen.errors import CodecError
from tydust_assetgen.flow import Codec

FREE: tuple[Codec, ...] = ("ogg", "opus", "flac", "mp3", "wav")
CHECKSUMMED: tuple[Codec, ...] = ("ogg", "opus")


@pytest.mark.parametrize("codec", FREE)
def test_what_we_encode_is_whole(codec: Codec) -> None:
    assert damage(encoded(codec), codec) == ""


@pytest.mark.parametrize("codec", FREE)
def test_every_cut_is_noticed(codec: Codec) -> None:
    data = encoded(codec)
    places = {*range(200), *range(len(data) - 60, len(data)), *range(0, len(data), max(len(data) // 60, 1))}
    unseen = [place for place in sorted(places) if damage(data[:place], codec) == ""]
    assert unseen == []


@pytest.mark.parametrize("codec", CHECKSUMMED)
def test_every_flipped_bit_of_ogg_is_noticed(codec: Codec) -> None:
    data = encoded(codec)
    bits = [*range(800), *np.random.default_rng(1).integers(0, len(data) * 8, 300).tolist()]
    assert [bit for bit in bits if damage(flipped(data, bit), codec) == ""] == []


def test_every_flipped_bit_of_flac_audio_is_noticed() -> None:
    data = encoded("flac")
    audio = len(data) - len(encoded("flac").split(b"\xff\xf8", 1)[1]) - 2
    bits = audio * 8 + np.random.default_rng(2).integers(0, (len(data) - audio) * 8, 100)
    assert [bit for bit in bits.tolist() if damage(flipped(data, bit), "flac") == ""] == []


def test_a_wrong_md5_in_flac_is_found_when_it_is_decoded() -> None:
    data = flipped(encoded("flac"), (4 + 4 + 18) * 8)
    with pytest.raises(CodecError, match="checksum"):
        decode(data, "flac")


def test_flipped_bits_of_lame_audio_are_noticed() -> None:
    data = encoded("mp3")
    tag = data.index(b"LAME3")
    first, start = data.rindex(b"\xff\xfb", 0, tag), tag + 1000
    bits = start * 8 + np.random.default_rng(3).integers(0, (len(data) - start) * 8, 100)
    head = [
        *range(first * 8, first * 8 + 24),
        *range((tag - 112) * 8, (tag - 4) * 8),
        *range((tag + 8) * 8, (tag + 36) * 8),
    ]
    assert [bit for bit in head + bits.tolist() if damage(flipped(data, bit), "mp3") == ""] == []


@pytest.mark.parametrize("codec", [*FREE, "m4a"])
def test_rubbish_is_damage_and_never_a_traceback(codec: Codec) -> None:
    noise = np.random.default_rng(4)
    for size in (0, 1, 4, 11, 12, 13, 100, 5000):
        assert damage(noise.bytes(size), codec) != ""
    for head in (b"OggS", b"fLaC", b"RIFF\0\0\0\0WAVE", b"ID3\4\0\0\0\0\0\0", b"\xff\xfb\x90\0", b"\0\0\0\x10ftypM4A "):
        for size in (0, 3, 40, 1000):
            assert damage(head + noise.bytes(size), codec) != ""


@pytest.mark.parametrize("codec", FREE)
def test_bytes_changed_anywhere_never_make_a_traceback(codec: Codec) -> None:
    data, noise = encoded(codec), np.random.default_rng(5)
    for _ in range(40):
        place = int(noise.integers(0, min(len(data), 4000)))
        broken = data[:place] + noise.bytes(8) + data[place + 8 :]
        with contextlib.suppress(CodecError):
            assert decode(broken, codec).frames > 0


def test_a_missing_or_doubled_ogg_page_is_noticed() -> None:
    data = encoded("ogg")
    starts = [place for place in range(len(data)) if data.startswith(b"OggS\0", place)]
    third, fourth = starts[2], starts[3]
    assert "missing" in damage(data[:third] + data[fourth:], "ogg")
    assert "missing" in damage(data[:fourth] + data[third:], "ogg")
    assert "truncated" in damage(data[: starts[-1]], "ogg")


@pytest.mark.parametrize(
    ("codec", "settings"),
    [
        ("ogg", ["-c:a", "libvorbis"]),
        ("opus", ["-c:a", "libopus"]),
        ("flac", ["-c:a", "flac"]),
        ("flac", ["-c:a", "flac", "-compression_level", "12", "-sample_fmt", "s16"]),
        ("mp3", ["-c:a", "libmp3lame", "-b:a", "128k"]),
        ("mp3", ["-c:a", "libmp3lame", "-q:a", "2"]),
        ("mp3", ["-c:a", "libmp3lame", "-write_xing", "0", "-id3v2_version", "3", "-write_id3v1", "1"]),
        ("wav", ["-c:a", "pcm_s24le"]),
        ("m4a", ["-c:a", "aac"]),
        ("m4a", ["-c:a", "aac", "-movflags", "+faststart"]),
    ],
)
def test_files_of_other_encoders_are_whole(tmp_path: Path, codec: Codec, settings: list[str]) -> None:
    source, target = tmp_path / "in.wav", tmp_path / f"out.{codec}"
    source.write_bytes(encoded("wav", bits="16"))
    command = ["ffmpeg", "-v", "error", "-nostdin", "-i", str(source), "-metadata", "title=x", *settings, str(target)]
    subprocess.run(command, check=True)
    data = target.read_bytes()
    assert damage(data, codec) == ""
    cuts = [place for place in range(1, len(data), len(data) // 40) if damage(data[:place], codec) == ""]
    assert len(cuts) <= (1 if "-write_xing" in settings else 0)
    assert abs(decode(data, codec).audio.duration_s - 100_003 / 44_100) < 0.06


def test_variable_block_sizes_and_mono_flac_are_whole() -> None:
    for frames, channels, subtype in ((1, 1, "PCM_16"), (4096, 1, "PCM_24"), (50_000, 2, "PCM_S8")):
        file = io.BytesIO()
        soundfile.write(file, tune(22_050, frames, channels).T, 22_050, subtype, format="FLAC")
        assert damage(file.getvalue(), "flac") == ""


def test_looking_for_damage_needs_only_the_standard_library() -> None:
    program = (
        "import sys, tydust_assetgen.codec as c; c.damage(b'OggS', 'ogg'); c.codec_of('a.OGG'); c.available('m4a');"
        "print({'numpy', 'soundfile', 'scipy', 'pydub', 'rich'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def flipped(data: bytes, bit: int) -> bytes:
    other = bytearray(data)
    other[bit // 8] ^= 1 << bit % 8
    return bytes(other)


def test_what_libsndfile_says_is_told_without_our_bytes_name() -> None:
    about = struct.pack("<4sIHHIIHH", b"fmt ", 16, 0x1234, 2, 44_100, 176_400, 4, 16)
    body = b"WAVE" + about + struct.pack("<4sI", b"data", 8) + bytes(8)
    with pytest.raises(CodecError) as error:
        decode(b"RIFF" + struct.pack("<I", len(body)) + body, "wav")
    assert str(error.value) == "the wav file does not decode: Error in WAV/W64/RF64 file. Malformed 'fmt ' chunk"
