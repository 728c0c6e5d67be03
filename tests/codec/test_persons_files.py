"""What a person may put into a slot is whole, however unusual: a false alarm would write over their work."""

from __future__ import annotations

import shutil
import struct
import subprocess
import time
from pathlib import Path

import imageio_ffmpeg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.codec.sounds import encoded, master, output
from tydust_assetgen.codec import Tags, damage, decode, encode
from tydust_assetgen.codec.containers import flac, mp4, riff
from tydust_assetgen.codec.tags import id3
from tydust_assetgen.errors import CodecError
from tydust_assetgen.flow import Codec

FREE: tuple[Codec, ...] = ("ogg", "opus", "flac", "mp3", "wav")
ALL: tuple[Codec, ...] = (*FREE, "m4a")
FFMPEGS = sorted({imageio_ffmpeg.get_ffmpeg_exe(), *filter(None, [shutil.which("ffmpeg")])})
ID3V1 = b"TAG" + b"title".ljust(125, b"\0")
APE = struct.pack("<8s4I8x", b"APETAGEX", 2000, 32, 0, 0x80000000)
APE = struct.pack("<8s4I8x", b"APETAGEX", 2000, 32, 0, 0xA0000000) + APE
LYRICS = b"LYRICSBEGININD0000200000021LYRICS200"
ID3_BEHIND = b"ID3\4\0\x10\0\0\0\x05" + b"TXXX\0" + b"3DI\4\0\x10\0\0\0\x05"
TRAILERS = (ID3V1, APE, APE + ID3V1, LYRICS + ID3V1, b"TAG+".ljust(227, b"\0") + ID3V1, ID3_BEHIND, bytes(1000))


def made(folder: Path, name: str, *options: str, tool: str = "", seconds: float = 1.5) -> bytes:
    """What ffmpeg makes of a chord in noise."""
    sound = f"anoisesrc=a=0.2:d={seconds},aformat=channel_layouts=stereo"
    command = [tool or imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", sound]
    subprocess.run([*command, *options, str(folder / name)], check=True)
    return (folder / name).read_bytes()


@pytest.mark.parametrize("tool", FFMPEGS)
@pytest.mark.parametrize("channels", ["1", "2"])
@pytest.mark.parametrize("rate", ["8000", "22050", "44100", "48000"])
@pytest.mark.parametrize("quality", [["-b:a", "64k"], ["-q:a", "4"]])
def test_mp3_of_any_ffmpeg(tool: str, channels: str, rate: str, quality: list[str], tmp_path: Path) -> None:
    data = made(tmp_path, "a.mp3", "-ac", channels, "-ar", rate, *quality, "-write_id3v1", "1", tool=tool)
    assert b"Lav" in data[:1000]
    assert damage(data, "mp3") == ""
    assert damage(data[: len(data) - 128 - 10], "mp3") != ""
    heard = decode(data, "mp3")
    assert (heard.rate_hz, heard.channels) == (int(rate), int(channels))


def test_wrong_checksums_count_only_under_the_name_of_lame(tmp_path: Path) -> None:
    data = bytearray(encoded("mp3"))
    place = data.index(b"LAME3")
    data[place + 32] ^= 1
    assert "checksum" in damage(bytes(data), "mp3")
    for name in (b"Lavf58.76", b"Lavc58.13", b"LAME3.88 ", b"L3.99r\0\0\0"):
        data[place : place + 9] = name
        assert damage(bytes(data), "mp3") == ""


@pytest.mark.parametrize("codec", FREE)
@pytest.mark.parametrize("trailer", TRAILERS)
def test_tags_and_zeros_behind_the_audio(codec: Codec, trailer: bytes) -> None:
    data = encoded(codec)
    assert damage(data + trailer, codec) == ""
    assert decode(data + trailer, codec).frames == decode(data, codec).frames
    for cut in (1000, len(data) // 2, len(data) - (2000 if codec == "wav" else 40)):
        assert damage(data[:cut] + trailer, codec) != ""


@pytest.mark.parametrize("codec", FREE)
def test_id3_in_front_of_anything(codec: Codec) -> None:
    data = id3.tag({"TITLE": "x" * 300}) + encoded(codec)
    assert damage(data, codec) == ""
    assert damage(data[:-1000], codec) != ""


def test_mp3_volume_that_was_turned_in_the_frames() -> None:
    """As mp3gain does it, which leaves LAME's checksum as it was and says so in an APE tag."""
    data = bytearray(encoded("mp3"))
    data[-300] ^= 0x10
    assert "checksum" in damage(bytes(data), "mp3")
    item = struct.pack("<2I", 3, 0) + b"mp3gain_minmax\0" + b"1,2"
    tag = item + struct.pack("<8s4I8x", b"APETAGEX", 2000, 32 + len(item), 1, 0)
    assert damage(bytes(data) + tag, "mp3") == ""


def test_mp3_without_an_info_tag_with_rubbish_behind_and_joined(tmp_path: Path) -> None:
    plain = made(tmp_path, "plain.mp3", "-write_xing", "0", "-id3v2_version", "0", "-c:a", "libmp3lame")
    assert b"Info" not in plain[:200]
    ours = encoded("mp3")
    for data in (
        plain,
        plain + b"bought at a shop" * 9,
        plain + ID3V1 + ours,
        ours + ID3V1 + plain,
        bytes(700) + plain,
    ):
        assert damage(data, "mp3") == ""
    assert "no frame begins" in damage(plain[:5000] + plain[5100:], "mp3")
    assert "no frame begins" in damage(plain + b"between" * 9 + plain, "mp3")
    assert "truncated" in damage(plain[:-9], "mp3")


def test_damage_stays_fast_on_hostile_bytes() -> None:
    """Well under half a second each, measured; the limit is for slow machines."""
    size = 1 << 22
    hostile = [
        bytes(size),
        b"\xff\xf8" * (size // 2),
        b"\xff\xfb\x90\0" * (size // 4),
        b"ID3\4\0\0\0\0\0\0" * (size // 10),
    ]
    hostile += [encoded("flac") + b"\xff\xf8" * (size // 2), b"RIFF\xff\xff\xff\x0fWAVE" + bytes(size)]
    hostile += [(b"\xff\xe3\x18\xc4" + bytes(20)) * (size // 24), b"\0\0\0\x08free" * (size // 8)]
    for data in hostile:
        for codec in ALL:
            start_s = time.process_time()
            damage(data, codec)
            assert time.process_time() - start_s < 8


def test_mpeg_audio_that_is_not_layer_three(tmp_path: Path) -> None:
    for rate in ("44100", "22050"):
        data = made(tmp_path, "a.mp2", "-ar", rate, "-b:a", "128k")
        assert damage(data, "mp3") == ""
        assert damage(data[:-5], "mp3") != ""
        with pytest.raises(CodecError, match="no mp3"):
            decode(data, "mp3")


def test_free_format_mp3_is_not_judged() -> None:
    """No header tells how long its frames are. One flipped bit makes no such file."""
    frame = b"\xff\xfb\x00\x00" + bytes([1]) * 900
    assert damage(frame * 5, "mp3") == ""
    data = bytearray(encode(master(loop=False), output("mp3", bitrate_kbps=112), Tags()))
    data[data.rindex(b"\xff\xfb", 0, data.index(b"LAME3")) + 2] &= 0x0F
    assert damage(bytes(data), "mp3") != ""


@pytest.mark.parametrize("codec", ALL)
def test_a_whole_file_under_another_name_is_whole_and_decode_says_what_it_is(codec: Codec) -> None:
    for other in (name for name in FREE if name != codec):
        assert damage(encoded(other), codec) == ""
        assert damage(encoded(other)[:-1000], codec) != ""
        with pytest.raises(CodecError, match=f"the file is no {codec}, it is ({other}|ogg|Opus in Ogg|Vorbis in Ogg)"):
            decode(encoded(other), codec)


@pytest.mark.parametrize(
    "name", ["a.aiff", "a.au", "a.caf", "a.mka", "a.wma", "a.wv", "a.tta", "a.aac", "a.w64", "lfs"]
)
@pytest.mark.parametrize("codec", ALL)
def test_kinds_of_files_that_we_do_not_know_are_not_judged(name: str, codec: Codec, tmp_path: Path) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 3\n"
    data = pointer if name == "lfs" else made(tmp_path, name, seconds=0.5)
    assert damage(data, codec) == ""
    with pytest.raises(CodecError, match=f"the file is no {codec}, it is (a|only)"):
        decode(data, codec)


@pytest.mark.parametrize("tool", FFMPEGS)
@pytest.mark.parametrize("sound", ["flac", "libopus", "libvorbis"])
@pytest.mark.parametrize("codec", ["ogg", "opus"])
def test_any_sound_in_ogg(tool: str, sound: str, codec: Codec, tmp_path: Path) -> None:
    data = made(tmp_path, "a.ogg", "-c:a", sound, tool=tool)
    assert damage(data, codec) == ""
    assert all(damage(data[:cut], codec) for cut in range(1, len(data), len(data) // 30))
    if {"ogg": "libvorbis", "opus": "libopus"}[codec] != sound:
        with pytest.raises(CodecError, match=f"the file is no {codec}, it is (FLAC|Opus|Vorbis) in Ogg"):
            decode(data, codec)


def test_ogg_streams_behind_each_other_and_side_by_side(tmp_path: Path) -> None:
    theirs, ours = made(tmp_path, "a.ogg", "-c:a", "flac"), encoded("ogg")
    streams = ["-f", "lavfi", "-i", "sine=d=1.5", "-map", "0", "-map", "1", "-c:a:0", "libvorbis", "-c:a:1", "flac"]
    both = made(tmp_path, "b.ogg", *streams)
    assert both.count(b"OggS\0\2") == 2
    for data in (ours + theirs, ours + ours, both, both + ours, ours + both + b"shop"):
        assert damage(data, "ogg") == ""
    for whole in (ours + theirs, both):
        assert all(damage(whole[:cut], "ogg") for cut in range(len(whole) - 60, len(whole)))
    begin = theirs.rindex(b"OggS")
    assert damage(ours + theirs[begin:], "ogg") == "the beginning of the stream is missing"


def test_flac_that_was_cut_or_joined_without_encoding(tmp_path: Path) -> None:
    source = tmp_path / "whole.flac"
    made(tmp_path, source.name, "-c:a", "flac", seconds=3.0)
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(),
        "-v",
        "error",
        "-ss",
        "1.5",
        "-i",
        str(source),
        "-c",
        "copy",
        "-f",
        "flac",
        "-",
    ]
    data = bytearray(subprocess.run(command, capture_output=True, check=True).stdout)
    facts = flac.stream_info(bytes(data))
    data[facts.md5 and data.index(facts.md5) - 4 : data.index(facts.md5)] = bytes(4)  # length unknown
    assert data[facts.audio + 4] > 0  # its first frame is not number 0
    assert damage(bytes(data), "flac") == ""
    ours = encoded("flac")
    assert damage(ours + ours[flac.stream_info(ours).audio :], "flac") == ""


def test_large_wav_files_and_streamed_ones(tmp_path: Path) -> None:
    for options in (["-rf64", "always"], []):
        data = made(tmp_path, "a.wav", *options)
        assert data[:4] == (b"RF64" if options else b"RIFF")
        assert damage(data, "wav") == ""
        assert damage(data[:-1000], "wav") != ""
        assert decode(data, "wav").audio.duration_s == pytest.approx(1.5)
    assert damage(b"BW64" + made(tmp_path, "a.wav", "-rf64", "always")[4:], "wav") == ""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(tmp_path / "a.wav"), "-f", "wav", "-"]
    piped = subprocess.run(command, capture_output=True, check=True).stdout
    assert piped[4:8] == b"\xff\xff\xff\xff"
    assert damage(piped, "wav") == damage(piped + b"odd", "wav") == ""


@pytest.mark.parametrize("size", [0, 0x7FFF0000, 0x80000024, 0xFFFFFFFF])
def test_wav_of_unknown_size(size: int) -> None:
    data = bytearray(encoded("wav", bits="16"))
    struct.pack_into("<I", data, 4, size)
    struct.pack_into("<I", data, data.index(b"data") + 4, size)
    assert damage(bytes(data), "wav") == ""


def test_wav_with_whatever_behind_the_samples() -> None:
    fmt = (b"fmt ", struct.pack("<2H2I2H", 1, 1, 8000, 8000, 1, 8))
    odd = riff.wav([fmt, (b"data", bytes(101))])
    unpadded = odd[:-1]
    smaller = unpadded[:4] + struct.pack("<I", len(unpadded) - 8) + unpadded[8:]
    whole_length = odd[:4] + struct.pack("<I", len(odd)) + odd[8:]
    listed = riff.wav([fmt, (b"data", bytes(101)), (b"LIST", b"INFO")])
    without_pad = listed.replace(bytes(102) + b"LIST", bytes(101) + b"LIST")
    for data in (odd, unpadded, smaller, whole_length, listed, without_pad, odd + b"LIST\xff\xff\xff\0x", odd + ID3V1):
        assert damage(data, "wav") == ""
    assert riff.chunks(without_pad)[-1] == (b"LIST", b"INFO")
    lead = riff.wav([(b"JUNK", bytes([1] * 7)), fmt, (b"data", bytes(10))]).replace(b"\1\0fmt", b"\1fmt")
    assert damage(lead, "wav") == ""
    for broken in (odd[:-2], listed[:-1], listed[:-12], riff.wav([fmt]), riff.wav([(b"data", b"x")])):
        assert damage(broken, "wav") != ""


def test_m4a_boxes_in_any_order_and_zeros_behind(tmp_path: Path) -> None:
    data = made(tmp_path, "a.m4a", "-c:a", "aac")
    top = {box.name: data[box.at : box.end] for box in mp4.boxes(data, 0, len(data))}
    kind, audio, movie = top[b"ftyp"], top[b"mdat"], top[b"moov"]
    free = mp4.box(b"free", bytes(1000))
    orders = [[kind, free, audio, free, movie, free], [movie, kind, audio], [free, kind, movie, audio], [audio, movie]]
    heard = decode(data, "m4a").audio.samples
    for order in orders:
        for behind in (b"", bytes(3), bytes(4), bytes(5000), ID3V1, b"shop"):
            assert damage(b"".join(order) + behind, "m4a") == ""
    assert decode(data + bytes(5000), "m4a").audio.samples.tobytes() == heard.tobytes()
    assert damage(b"".join([kind, movie, audio[:-1]]), "m4a") != ""
    assert damage(b"".join([kind, audio, movie[:-1]]), "m4a") != ""


@pytest.mark.parametrize("flags", ["+frag_keyframe+empty_moov", "+frag_keyframe+default_base_moof", "+dash"])
def test_m4a_in_fragments(flags: str, tmp_path: Path) -> None:
    data = made(tmp_path, "a.m4a", "-c:a", "aac", "-movflags", flags, "-frag_duration", "300000")
    last = data.rindex(b"mdat")
    assert damage(data, "m4a") == ""
    assert "truncated" in damage(data[: last + 200], "m4a")


HEADS = [
    b"",
    b"OggS\0",
    b"fLaC\0\0\0\x22",
    b"ID3\4\0\0\0\0\0\0",
    b"RIFF\xff\0\0\0WAVE",
    b"RF64\xff\xff\xff\xffWAVEds64",
]
HEADS += [b"\xff\xfb\x90\0", b"\xff\xf1\x50\x80", b"\0\0\0\x08moov", b"\0\0\0\x10ftypM4A ", b"\0\0\0\x08mdat"]
TAILS = [
    b"",
    ID3V1,
    APE,
    LYRICS,
    ID3_BEHIND,
    b"APETAGEX" + b"\xff" * 24,
    b"999999LYRICS200",
    b"3DI\4\0\x10\x7f\x7f\x7f\x7f",
]


@pytest.mark.parametrize("codec", ALL)
@given(head=st.sampled_from(HEADS), data=st.binary(max_size=400), tail=st.sampled_from(TAILS))
@settings(max_examples=150, deadline=None)
def test_any_bytes_give_a_verdict(codec: Codec, head: bytes, data: bytes, tail: bytes) -> None:
    for whole in (head + data + tail, data + head + tail):
        assert isinstance(damage(whole, codec), str)
