"""Tags in each container: ours read by ffmpeg, ffmpeg's read by us, long, odd and hostile ones; the sound untouched."""

from __future__ import annotations

import contextlib
import functools
import io
import re
import struct
import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import soundfile
from conftest import put_ffmpeg
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.codec.sounds import TAGS, encoded, master, output
from tydust_assetgen.audio import LoopPoints
from tydust_assetgen.codec import Tags, damage, decode, delivered, encode, tagging
from tydust_assetgen.codec.containers import flac, mp4, ogg, riff
from tydust_assetgen.codec.containers.crc import crc32_ogg
from tydust_assetgen.codec.tags import id3, vorbis
from tydust_assetgen.errors import CodecError
from tydust_assetgen.flow import Codec

FREE: tuple[Codec, ...] = ("ogg", "opus", "flac", "mp3", "wav")
ALL: tuple[Codec, ...] = (*FREE, "m4a")
COMMENTED: tuple[Codec, ...] = ("ogg", "opus", "flac", "mp3", "m4a")
LOOP = LoopPoints(12, 90_000)
ODD = ("A = B = C", "two\nlines\r\n", "日本語 ñ \U0001f3b5", " spaces ", '"quoted" \\ back', "=")
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=60)


def ffmpeg(*arguments: str) -> bytes:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", *arguments]
    return subprocess.run(command, capture_output=True, check=True).stdout


@pytest.fixture
def with_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real ffmpeg as the only one on the path."""
    (tmp_path / "bin").mkdir()
    put_ffmpeg(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


def seen_by_ffmpeg(data: bytes, codec: Codec, folder: Path) -> dict[str, str]:
    """What ffmpeg reads, of the file and of its stream, by names in upper case (`ffmpeg` doc, section "Metadata")."""
    path = folder / f"seen.{codec}"
    path.write_bytes(data)
    found = ffmpeg("-i", str(path), "-map_metadata:g", "0:g", "-f", "ffmetadata", "-").decode()
    if codec in ("ogg", "opus"):  # their tags belong to the stream
        found = ffmpeg("-i", str(path), "-map_metadata:g", "0:s:0", "-f", "ffmetadata", "-").decode()
    pairs = re.findall(r"(?ms)^((?:[^=;#\\\n]|\\.)+)=((?:[^\\\n]|\\.)*)$", found)
    return {plain(name).upper(): plain(text) for name, text in pairs}


def plain(text: str) -> str:
    return re.sub(r"(?s)\\(.)", r"\1", text)


@pytest.mark.usefixtures("with_ffmpeg")
@pytest.mark.parametrize("codec", ALL)
def test_ffmpeg_reads_our_tags(codec: Codec, tmp_path: Path) -> None:
    seen = seen_by_ffmpeg(encoded(codec), codec, tmp_path)
    wanted = {"TITLE": TAGS.title, "ALBUM": TAGS.game}
    if codec == "wav":
        wanted = {"TITLE": TAGS.title, "COMMENT": TAGS.prompt_digest, "COPYRIGHT": TAGS.licence}
    else:
        frames = delivered(codec, 44_100, 100_003)[1]
        wanted |= {"PROMPT_DIGEST": TAGS.prompt_digest, "GENERATOR": "composer", "GENERATOR_VERSION": "3"}
        wanted |= {"LICENSE": "CC0-1.0", "LOOPSTART": "0", "LOOPLENGTH": str(frames)}
    assert seen.items() >= wanted.items()
    assert "MODEL" not in seen


@pytest.mark.usefixtures("with_ffmpeg")
@pytest.mark.parametrize("codec", COMMENTED)
@pytest.mark.parametrize("text", ODD)
def test_odd_texts_come_through_to_us_and_to_ffmpeg(codec: Codec, text: str, tmp_path: Path) -> None:
    data = tagging.write(encoded(codec), codec, Tags(title=text, model=text), None, 44_100)
    assert tagging.read(data, codec) == ({"title": text, "model": text}, None)
    seen = seen_by_ffmpeg(data, codec, tmp_path)
    assert (seen["TITLE"], seen["MODEL"]) == (text, text)


@pytest.mark.parametrize("codec", COMMENTED)
@given(title=texts, model=texts, start=st.integers(0, 10**9), length=st.integers(1, 10**9))
@settings(max_examples=25, deadline=None)
def test_what_is_written_is_read(codec: Codec, title: str, model: str, start: int, length: int) -> None:
    loop = LoopPoints(start, start + length)
    data = tagging.write(bare(codec), codec, Tags(title=title, model=model), loop, 44_100)
    assert tagging.read(data, codec) == ({"title": title, "model": model}, loop)


@pytest.mark.parametrize("codec", ["ogg", "opus", "flac", "mp3"])
@pytest.mark.parametrize("length", [0, 1, 254, 255, 256, 65_000, 255 * 255, 200_000, 3_000_000])
def test_tags_of_any_length_leave_the_sound_alone(codec: Codec, length: int, tmp_path: Path) -> None:
    """Over 255 times 255 bytes they take several Ogg pages."""
    data = tagging.write(encoded(codec), codec, Tags(model="x" * length), LOOP, 44_100)
    assert damage(data, codec) == ""
    heard = decode(data, codec)
    assert heard.tags == ({"model": "x" * length} if length else {})
    assert heard.loop == LOOP
    assert np.array_equal(heard.audio.samples, decode(encoded(codec), codec).audio.samples)
    if length < 1_000_000:  # ffmpeg takes no more
        assert seen_by_ffmpeg(data, codec, tmp_path).get("MODEL", "") == "x" * length


@pytest.mark.parametrize("codec", FREE)
def test_tagging_again_replaces_and_gives_the_same_bytes(codec: Codec) -> None:
    once = tagging.write(encoded(codec), codec, TAGS, LOOP, 44_100)
    longer = tagging.write(once, codec, Tags(title="y" * 70_000), None, 44_100)
    assert tagging.read(longer, codec) == ({"title": "y" * 70_000}, None)
    assert tagging.write(longer, codec, TAGS, LOOP, 44_100) == once


@pytest.mark.parametrize("codec", FREE)
def test_no_tags_are_no_tags(codec: Codec, tmp_path: Path) -> None:
    data = tagging.write(encoded(codec), codec, Tags(), None, 44_100)
    assert damage(data, codec) == ""
    assert tagging.read(data, codec) == ({}, None)
    assert not {"TITLE", "ALBUM", "LOOPSTART"} & seen_by_ffmpeg(data, codec, tmp_path).keys()


def test_texts_that_no_container_can_hold_are_mended() -> None:
    for codec in FREE:
        data = tagging.write(encoded(codec), codec, Tags(title="a\0b\ud800c"), None, 44_100)
        assert tagging.read(data, codec)[0] == {"title": "a b?c"}


def test_audio_pages_of_ogg_only_move_in_number() -> None:
    for codec in ("ogg", "opus"):
        before, after = (
            [(page.position, page.flags, data[page.body : page.end]) for page in ogg._pages(data)]
            for data in (
                encoded(codec),
                tagging.write(encoded(codec), codec, Tags(title="z" * 300_000), None, 44_100),
            )
        )
        audio = next(index for index, page in enumerate(before) if page[0] > 0)
        assert before[audio:] == after[len(after) - len(before) + audio :]
        assert len(after) >= len(before) + 4


def test_flac_keeps_its_other_blocks_and_has_no_padding(tmp_path: Path) -> None:
    source, target = tmp_path / "a.wav", tmp_path / "a.flac"
    source.write_bytes(encoded("wav", bits="16"))
    ffmpeg("-i", str(source), "-metadata", "title=other", str(target))
    theirs = target.read_bytes()
    ours = flac.with_tags(theirs, {"TITLE": "mine"})
    assert [block.kind for block in flac._blocks(theirs)] == [0, 4, 1]
    assert [block.kind for block in flac._blocks(ours)] == [0, 4]
    assert flac.tags(theirs)["TITLE"] == "other"
    assert flac.tags(ours) == {"TITLE": "mine"}
    assert damage(ours, "flac") == ""


@pytest.fixture(scope="module")
def cover(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cover") / "cover.png"
    ffmpeg("-f", "lavfi", "-i", "testsrc=size=300x300:rate=1", "-frames:v", "1", str(path))
    return path


THEIRS = [part for pair in ("title=Ti = tle é", "album=Game", "MODEL=m", "artist=x") for part in ("-metadata", pair)]
HEADS = [b"", b"OggS\0", b"fLaC\0", b"ID3\4\0", b"RIFF", b"\0\0\0\x08moov"]


@pytest.mark.usefixtures("with_ffmpeg")
@pytest.mark.parametrize(
    ("codec", "settings"),
    [
        ("ogg", ["-c:a", "libvorbis"]),
        ("opus", ["-c:a", "libopus"]),
        ("flac", ["-c:a", "flac", "-disposition:v", "attached_pic"]),
        ("mp3", ["-c:a", "libmp3lame", "-id3v2_version", "3"]),
        ("mp3", ["-c:a", "libmp3lame", "-id3v2_version", "4"]),
        ("mp3", ["-c:a", "libmp3lame", "-id3v2_version", "4", "-metadata_header_padding", "5000"]),
        ("m4a", ["-c:a", "aac", "-disposition:v", "attached_pic"]),
        ("m4a", ["-c:a", "aac", "-disposition:v", "attached_pic", "-movflags", "+faststart"]),
        ("wav", []),
    ],
)
def test_files_that_others_tagged_are_read(codec: Codec, settings: list[str], tmp_path: Path, cover: Path) -> None:
    source, target = tmp_path / "in.wav", tmp_path / f"out.{codec}"
    source.write_bytes(encoded("wav", bits="16"))
    picture = ["-i", str(cover), "-map", "0:a", "-map", "1:v", "-c:v", "copy"]
    ffmpeg("-i", str(source), *([] if codec in ("ogg", "opus", "wav") else picture), *THEIRS, *settings, str(target))
    data = target.read_bytes()
    heard = decode(data, codec)
    model = {} if codec in ("m4a", "wav") else {"model": "m"}
    assert heard.tags.items() >= ({"title": "Ti = tle é", "game": "Game"} | model).items()
    ours = tagging.write(data, codec, Tags(title="mine"), None, 44_100)
    assert damage(ours, codec) == ""
    again = decode(ours, codec)
    assert again.tags == {"title": "mine"}
    assert np.array_equal(again.audio.samples, heard.audio.samples)


def test_a_tag_behind_the_audio_is_read_when_none_is_in_front(tmp_path: Path) -> None:
    source, target = tmp_path / "in.wav", tmp_path / "out.mp3"
    source.write_bytes(encoded("wav", bits="16"))
    ffmpeg("-i", str(source), *THEIRS, "-write_id3v2", "0", "-write_id3v1", "1", str(target))
    data = target.read_bytes()
    assert data[-128:-125] == b"TAG"
    assert tagging.read(data, "mp3")[0]["game"] == "Game"
    assert b"TAG" not in tagging.write(data, "mp3", TAGS, None, 44_100)[-128:]


@functools.cache
def bare(codec: Codec) -> bytes:
    """A small file with nothing but a title."""
    return encode(master(frames=2000, loop=False), output(codec), Tags(title="x"))


def frame(name: bytes, content: bytes, flags: int = 0) -> bytes:
    return name + struct.pack(">IH", len(content), flags) + content


def id3_tag(version: int, flags: int, body: bytes, after: bytes = b"") -> bytes:
    return b"ID3" + bytes([version, 0, flags]) + id3._syncsafe(len(body)) + body + after


SIXTEEN = b"\x01" + "Tïtle".encode("utf-16")


@pytest.mark.parametrize(
    ("data", "title"),
    [
        (id3_tag(3, 0, frame(b"TIT2", SIXTEEN)), "Tïtle"),
        (id3_tag(3, 0, frame(b"TIT2", b"\x00T\xeftle") + bytes(500)), "Tïtle"),
        (id3_tag(3, 0x40, struct.pack(">IHI", 6, 0, 0) + frame(b"TIT2", SIXTEEN)), "Tïtle"),
        (id3_tag(3, 0x80, frame(b"TIT2", SIXTEEN).replace(b"\xff", b"\xff\x00")), "Tïtle"),
        (id3_tag(3, 0, frame(b"TIT2", b"\x07" + SIXTEEN, 0x20)), "Tïtle"),
        (id3_tag(3, 0, frame(b"TIT2", bytes(9), 0x80) + frame(b"TIT2", SIXTEEN)), "Tïtle"),
        (id3_tag(4, 0, frame(b"TIT2", b"\x02" + "Tïtle".encode("utf-16-be"))), "Tïtle"),
        (id3_tag(4, 0, frame(b"TIT2", b"\x03T\xc3\xaftle\0second")), "Tïtle"),
        (id3_tag(4, 0x10, frame(b"TIT2", b"\x03T\xc3\xaftle"), b"3DI" + bytes(7)), "Tïtle"),
        (id3_tag(4, 0x40, b"\0\0\0\6\1\0" + frame(b"TIT2", SIXTEEN)), "Tïtle"),
        (id3_tag(4, 0, frame(b"TIT2", SIXTEEN.replace(b"\xff", b"\xff\x00"), 0x02)), "Tïtle"),
        (id3_tag(4, 0, frame(b"TIT2", b"\x09\0\0\0\x0d" + SIXTEEN, 0x41)), "Tïtle"),
        (id3_tag(2, 0, b"TT2\0\0\x06\x00T\xeftle"), "Tïtle"),
    ],
)
def test_every_way_of_writing_an_id3_tag(data: bytes, title: str) -> None:
    audio = encoded("mp3")[id3.end_of_tag(encoded("mp3")) :]
    assert id3.end_of_tag(data) == len(data)
    assert tagging.read(data + audio, "mp3")[0].get("title", "") == title
    assert damage(data + audio, "mp3") == ""
    assert decode(data + audio, "mp3").frames == 100_003


@pytest.mark.parametrize("codec", ALL)
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_whatever_the_bytes_are_reading_ends_in_tags_or_a_codec_error(codec: Codec, data: st.DataObject) -> None:
    """A few bytes of a real file replaced, cut or doubled; with Ogg's checksums mended, or they would stop it all."""
    whole = bytearray(bare(codec))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, min(len(whole), 3000)))
        gone = data.draw(st.integers(0, 8))
        whole[place : place + gone] = data.draw(st.binary(max_size=8) | st.sampled_from([b"\xff" * 4, bytes(4)]))
    broken = mended(bytes(whole)) if codec in ("ogg", "opus") else bytes(whole)
    damage(broken, codec)
    with contextlib.suppress(CodecError):
        tags, _ = tagging.read(broken, codec)
        assert all(isinstance(name, str) and isinstance(text, str) for name, text in tags.items())
    with contextlib.suppress(CodecError):
        tagging.write(broken, codec, TAGS, LOOP, 44_100)


@pytest.mark.parametrize("codec", ALL)
@given(
    data=st.binary(max_size=300),
    head=st.sampled_from(HEADS),
)
@settings(max_examples=60, deadline=None)
def test_rubbish_ends_in_tags_or_a_codec_error(codec: Codec, head: bytes, data: bytes) -> None:
    with contextlib.suppress(CodecError):
        tagging.read(head + data, codec)


def mended(data: bytes) -> bytes:
    """With every Ogg page's checksum made right again, as far as there are pages."""
    fixed, position = bytearray(data), 0
    while (position := fixed.find(b"OggS", position)) >= 0:
        with contextlib.suppress(CodecError):
            page = ogg._page_at(bytes(fixed), position)
            fixed[position + 22 : position + 26] = crc32_ogg(ogg._without_crc(bytes(fixed), page)).to_bytes(4, "little")
        position += 4
    return bytes(fixed)


def test_hostile_counts_are_refused_and_cost_nothing() -> None:
    many = vorbis.block({}, b"")[:4] + struct.pack("<I", 0xFFFFFFFF)
    with pytest.raises(CodecError, match="more than 4096"):
        vorbis.comments(many)
    with pytest.raises(CodecError, match="cut"):
        vorbis.comments(struct.pack("<II", 0, 3))
    with pytest.raises(CodecError, match="more than 4096"):
        id3.tags(id3_tag(4, 0, frame(b"PRIV", b"x") * 5000))
    with pytest.raises(CodecError, match="larger than 32 MB"):
        id3.tags(id3_tag(4, 0, frame(b"TIT2", bytes(1 << 25))))
    with pytest.raises(CodecError, match="more than 4096"):
        flac.tags(b"fLaC" + bytes(4) * 5000)
    with pytest.raises(CodecError, match="more than 4096"):
        riff.chunks(b"RIFF\0\0\0\0WAVE" + bytes(8) * 5000)
    with pytest.raises(CodecError, match="boxes"):
        mp4.tags(mp4.box(b"free") * 70_000)
    with pytest.raises(CodecError, match="more than 4096"):
        mp4.tags(mp4.box(b"moov", mp4._user_data({str(number): "" for number in range(5000)})))


def test_tags_too_long_for_their_container_are_refused() -> None:
    with pytest.raises(CodecError, match="too long"):
        flac.with_tags(encoded("flac"), {"TITLE": "x" * (1 << 24)})
    with pytest.raises(CodecError, match="too long"):
        id3.tag({"TITLE": "x" * (1 << 28)})


def test_a_second_ogg_stream_is_not_tagged_away() -> None:
    chained = encoded("ogg") + encode(master(frames=3000), output("ogg"), Tags(title="second"))
    assert tagging.read(chained, "ogg")[0]["title"] == TAGS.title
    with pytest.raises(CodecError, match="one stream"):
        tagging.write(chained, "ogg", TAGS, None, 44_100)


def test_headers_that_share_a_page_are_read_but_not_written() -> None:
    """No encoder does so; and the number of the last page is the largest there can be."""
    data = encoded("opus")
    first, second, *pages = ogg._pages(data)
    laces = data[first.start + 27 : first.body] + data[second.start + 27 : second.body]
    bodies = data[first.body : first.end] + data[second.body : second.end]
    shared = ogg._sealed(2, 0, first.serial, 0, bytes([len(laces)]) + laces + bodies) + data[second.end :]
    assert tagging.read(shared, "opus") == tagging.read(data, "opus")
    with pytest.raises(CodecError, match="pages of their own"):
        tagging.write(shared, "opus", TAGS, None, 48_000)
    last = ogg._page_with(data, pages[-1]._replace(number=0xFFFFFFFF), first.serial)
    assert damage(tagging.write(data[: pages[-1].start] + last, "opus", TAGS, None, 48_000), "opus") == ""


def test_old_wav_tags_and_loops_are_replaced() -> None:
    twice = tagging.write(encoded("wav"), "wav", Tags(title="new"), LOOP, 44_100)
    assert [name for name, _ in riff.chunks(twice)].count(b"smpl") == 1
    assert tagging.read(twice, "wav") == ({"title": "new"}, LOOP)
    assert soundfile.read(io.BytesIO(twice))[0].shape == (100_003, 2)


@pytest.mark.parametrize(
    ("tags", "loop"),
    [
        ({"LOOPSTART": "100", "LOOPLENGTH": "400"}, LoopPoints(100, 500)),
        ({"LOOPSTART": "100", "LOOPEND": "500"}, LoopPoints(100, 500)),
        ({"LOOP_START": "100", "LOOP_END": "500"}, LoopPoints(100, 500)),
        ({"LOOPSTART": "100", "LOOPLENGTH": "400", "LOOPEND": "999"}, LoopPoints(100, 500)),
        ({"LOOPSTART": "500", "LOOPEND": "100"}, None),
        ({"LOOPSTART": "0", "LOOPLENGTH": "0"}, None),
        ({"LOOP_START": "0:01.5", "LOOP_END": "0:09"}, None),
        ({"LOOPSTART": "100"}, None),
    ],
)
@pytest.mark.parametrize("codec", ["ogg", "opus"])
def test_loops_of_every_common_kind_are_read_and_others_stay_tags(
    codec: Codec, tags: dict[str, str], loop: LoopPoints | None
) -> None:
    found = decode(ogg.with_tags(encoded(codec), codec, tags), codec)
    assert found.loop == loop
    left = {name.upper(): text for name, text in found.tags.items()}
    if loop is None:
        assert left == tags
    else:
        assert not {"LOOPSTART", "LOOPLENGTH", "LOOP_START", "LOOP_END"} & left.keys()


@pytest.mark.parametrize(
    ("kind", "start", "end", "loop"),
    [
        (0, 100, 499, LoopPoints(100, 500)),
        (0, 0, 0, None),
        (0, 50, 10, None),
        (1, 100, 499, None),
        (2, 100, 499, None),
    ],
)
def test_a_sampler_chunk_is_a_loop_only_if_it_plays_forward(
    kind: int, start: int, end: int, loop: LoopPoints | None
) -> None:
    head = struct.pack("<9I", 0, 0, 22_676, 60, 0, 0, 0, 1, 0)
    chunk = (b"smpl", head + struct.pack("<6I", 0, kind, start, end, 0, 0))
    plain = [part for part in riff.chunks(encoded("wav")) if part[0] != b"smpl"]
    assert decode(riff.wav([*plain, chunk]), "wav").loop == loop


@pytest.mark.parametrize("codec", ["ogg", "opus"])
def test_recordings_in_a_chain_are_all_decoded(codec: Codec) -> None:
    """`cat intro.ogg loop.ogg > both.ogg`, as people do, and as players play it."""
    one, two = (encode(master(frames=frames), output(codec), TAGS) for frames in (50_000, 80_000))
    parts = [decode(data, codec).audio.samples for data in (one, two)]
    both = decode(one + two, codec)
    assert np.array_equal(both.audio.samples, np.concatenate(parts, axis=1))
    assert damage(one + two, codec) == ""
    mono = encode(master(frames=50_000, channels=1), output(codec), TAGS)
    with pytest.raises(CodecError, match="a chain of recordings with different rates or channels"):
        decode(one + mono, codec)
    with pytest.raises(CodecError, match="a chain of 70 recordings"):
        decode(one * 70, codec)
