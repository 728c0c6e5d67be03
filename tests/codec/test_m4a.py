"""M4A through the real ffmpeg: delay, seam, what foreign files ask for, and that nothing is left behind."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from conftest import put_ffmpeg

from tests.codec.sounds import MADE_BY, TAGS, encoded, master, output
from tydust_assetgen.audio import Audio, LoopPoints
from tydust_assetgen.codec import Tags, damage, decode, encode, pydub_client
from tydust_assetgen.codec.containers import m4a, mp4
from tydust_assetgen.errors import CodecError
from tydust_assetgen.flow import Facts, Master


@pytest.fixture(autouse=True)
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole path, with ffmpeg in it; and a folder for whatever is temporary."""
    for name in ("bin", "temporary"):
        (tmp_path / name).mkdir()
    put_ffmpeg(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path


def tones(rate_hz: int = 48_000, frames: int = 96_000) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Whole turns, loud at the wrap."""
    turn = 2 * np.pi * np.arange(frames) / frames
    wave = sum(0.15 * np.cos(count * turn + count) for count in (110, 440, 1320, 3980))
    return np.asarray([wave, wave * 0.7], np.float32)


def test_the_seam_of_a_loop_is_as_good_as_its_middle() -> None:
    sound = tones()
    track = Master(Audio(sound, 48_000), LoopPoints(0, 96_000), Facts(), MADE_BY)
    error = np.abs(decode(encode(track, output("m4a"), Tags()), "m4a").audio.samples - sound)
    at_the_seam = max(error[:, :300].max(), error[:, -300:].max())
    assert at_the_seam < 1.2 * error[:, 20_000:70_000].max()


@pytest.mark.parametrize("frames", [1, 100, 1023, 1024, 1025, 30_000])
@pytest.mark.parametrize("loop", [True, False])
def test_the_length_is_exact(frames: int, loop: bool) -> None:
    heard = decode(encode(master(frames=frames, loop=loop), output("m4a"), TAGS), "m4a")
    assert (heard.frames, heard.rate_hz, heard.channels) == (frames, 44_100, 2)
    assert heard.loop == (LoopPoints(0, frames) if loop else None)


@pytest.mark.parametrize(("rate_hz", "channels"), [(22_050, 1), (32_000, 2), (48_000, 1), (96_000, 2)])
def test_rates_and_channels_come_through(rate_hz: int, channels: int) -> None:
    track = master(rate_hz, 20_000, channels)
    heard = decode(encode(track, output("m4a", bitrate_kbps=128), Tags()), "m4a")
    assert (heard.rate_hz, heard.channels, heard.frames) == (rate_hz, channels, 20_000)
    assert np.corrcoef(heard.audio.samples[0], track.audio.samples[0])[0, 1] > 0.98


def test_the_header_says_what_a_player_needs() -> None:
    data = encoded("m4a")
    assert [box.name for box in mp4.boxes(data, 0, len(data))] == [b"ftyp", b"moov", b"mdat"]
    edits = mp4.inside(data, b"moov", b"trak", b"edts", b"elst")
    assert edits is not None
    assert struct.unpack_from(">4I", data, edits.start + 4) == (1, 100_003, 9 * 1024, 0x10000)
    chunk = mp4.inside(data, b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stco")
    audio = mp4.inside(data, b"mdat")
    assert chunk is not None
    assert audio is not None
    assert struct.unpack_from(">I", data, chunk.start + 8)[0] == audio.start


def test_tags_of_any_length_move_the_audio_and_its_offsets() -> None:
    data = encoded("m4a")
    sound = decode(data, "m4a").audio.samples
    for length in (0, 1, 70_000, 3_000_000):
        tagged = mp4.with_tags(data, {"MODEL": "x" * length} if length else {})
        heard = decode(tagged, "m4a")
        assert heard.tags == ({"model": "x" * length} if length else {})
        assert np.array_equal(heard.audio.samples, sound)
        assert mp4.with_tags(tagged, mp4.tags(data)) == data


def test_large_offsets_are_moved_too() -> None:
    """`co64`, which others write into large files, and a table that is cut or points nowhere."""
    table = mp4.box(b"co64", struct.pack(">2IQQ", 0, 2, 24, 10**12), b"cut")
    track = mp4.box(b"trak", mp4.box(b"mdia", mp4.box(b"minf", mp4.box(b"stbl", table))))
    moved = mp4.movie_first(mp4.box(b"ftyp", b"M4A ") + mp4.box(b"mdat", b"audio") + mp4.box(b"moov", track))
    found = mp4.inside(moved, b"moov", b"trak", b"mdia", b"minf", b"stbl", b"co64")
    assert found is not None
    assert struct.unpack_from(">QQ", moved, found.start + 8) == (moved.index(b"audio") + 24 - 20, 10**12)


def test_encoding_and_decoding_leave_no_file(tools: Path) -> None:
    decode(encode(master(frames=5000), output("m4a"), TAGS), "m4a")
    broken = bytearray(encoded("m4a"))
    broken[-20_000:] = bytes(20_000)
    with pytest.raises(CodecError, match="ffmpeg could not decode"):
        decode(bytes(broken), "m4a")
    assert list((tools / "temporary").iterdir()) == []


def test_a_failing_ffmpeg_is_said_and_leaves_no_file(tools: Path) -> None:
    (tools / "bin" / "ffmpeg").unlink()
    (tools / "bin" / "ffmpeg").write_text("#!/bin/sh\necho no such thing >&2\nexit 3\n")
    (tools / "bin" / "ffmpeg").chmod(0o755)
    with pytest.raises(CodecError, match="could not encode m4a: no such thing"):
        encode(master(frames=5000), output("m4a"), TAGS)
    assert list((tools / "temporary").iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="no process groups")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_build_that_is_ended_while_ffmpeg_works_leaves_neither_a_file_nor_ffmpeg(tools: Path, how: int) -> None:
    noted = note_pid(tools, f'exec {imageio_ffmpeg.get_ffmpeg_exe()} "$@"')
    program = "from tests.codec.sounds import *; encode(master(frames=10_000_000), output('m4a'), TAGS)"
    environment = {**os.environ, "TMPDIR": str(tools / "temporary")}
    with subprocess.Popen(
        [sys.executable, "-c", program], env=environment, start_new_session=True, stderr=subprocess.DEVNULL
    ) as child:
        wait_until(noted.exists)
        child.send_signal(how)
    wait_until(lambda: not lives(int(noted.read_text())))
    wait_until(lambda: list((tools / "temporary").iterdir()) == [])


@pytest.mark.skipif(sys.platform == "win32", reason="no process groups")
def test_an_ffmpeg_that_does_not_end_is_ended(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pydub_client, "TIMEOUT_S", 3.0)
    noted = note_pid(tools, "exec /bin/sleep 300")
    with pytest.raises(CodecError, match="could not encode m4a: it took more than 3 seconds"):
        encode(master(frames=5000), output("m4a"), TAGS)
    wait_until(lambda: not lives(int(noted.read_text())))
    assert list((tools / "temporary").iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit")
def test_a_temporary_file_that_grows_too_large_ends_it(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pydub_client, "MAX_BYTES", 100_000)
    with pytest.raises(CodecError, match="could not encode m4a"):
        encode(master(frames=50_000), output("m4a"), TAGS)
    assert list((tools / "temporary").iterdir()) == []


def note_pid(tools: Path, then: str) -> Path:
    """An ffmpeg that first writes down its process."""
    noted, program = tools / "noted", tools / "bin" / "ffmpeg"
    program.unlink()
    program.write_text(f"#!/bin/sh\necho $$ > {noted}.new\n/bin/mv {noted}.new {noted}\n{then}\n")
    program.chmod(0o755)
    return noted


def wait_until(holds: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end_s
        time.sleep(0.02)


def lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_frames_that_are_no_aac_are_refused() -> None:
    for rubbish in (b"", b"\xff", bytes(20), b"\xff\xf1\x50\x80\xff\xff\xfc"):
        with pytest.raises(CodecError, match="ffmpeg made"):
            m4a.m4a(rubbish, 44_100, 1024, 1)


def test_cuts_are_noticed() -> None:
    data = encoded("m4a")
    places = {*range(1, 2000, 7), *range(2000, len(data), 1999), len(data) - 1}
    assert [place for place in sorted(places) if damage(data[:place], "m4a") == ""] == []
