"""What goes in comes out: samples, lengths, loop points, tags and bytes, through the real encoders."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from conftest import put_ffmpeg
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.codec.sounds import MADE_BY, TAGS, encoded, level_dbfs, master, output, signal_to_noise_db
from tydust_assetgen.audio import Audio, LoopPoints
from tydust_assetgen.codec import Tags, available, codec_of, decode, delivered, encode, objection
from tydust_assetgen.codec.containers import mp3
from tydust_assetgen.errors import CodecError, UnavailableError
from tydust_assetgen.flow import Codec, Facts, Master

FREE: tuple[Codec, ...] = ("ogg", "opus", "flac", "mp3", "wav")


@pytest.fixture
def ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real ffmpeg, without ffprobe, as the only one on the path."""
    put_ffmpeg(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.parametrize(("bits", "least_db"), [("16", 75.0), ("24", 125.0), ("float", 270.0)])
def test_wav_keeps_the_samples(bits: Literal["16", "24", "float"], least_db: float) -> None:
    heard = decode(encoded("wav", bits=bits), "wav")
    assert heard.bits == bits
    assert signal_to_noise_db(master().audio.samples, heard.audio.samples) > least_db


@pytest.mark.parametrize(("bits", "least_db"), [("16", 75.0), ("24", 125.0)])
def test_flac_keeps_the_samples(bits: Literal["16", "24"], least_db: float) -> None:
    heard = decode(encoded("flac", bits=bits), "flac")
    assert heard.bits == bits
    assert signal_to_noise_db(master().audio.samples, heard.audio.samples) > least_db
    assert np.array_equal(heard.audio.samples, decode(encoded("wav", bits=bits), "wav").audio.samples)


@pytest.mark.parametrize(("codec", "least_db"), [("ogg", 20.0), ("mp3", 20.0), ("opus", 17.0)])
def test_lossy_codecs_stay_aligned_to_the_sample(codec: Codec, least_db: float) -> None:
    track = master(48_000)
    heard = decode(encode(track, output(codec), Tags()), codec).audio.samples
    wanted = track.audio.samples
    assert signal_to_noise_db(wanted, heard) > least_db
    assert signal_to_noise_db(wanted, np.roll(heard, 1, axis=1)) < least_db - 5


@pytest.mark.parametrize("codec", ["ogg", "opus", "mp3"])
def test_the_seam_of_a_loop_survives_the_codec(codec: Codec) -> None:
    """Tones of whole turns, loud at the wrap: the error there is as small as anywhere, or at least under -46 dBFS."""
    turn = 2 * np.pi * np.arange(96_000) / 96_000
    wave = sum(0.15 * np.cos(count * turn + count) for count in (110, 440, 1320, 3980))
    tones = np.asarray([wave, wave * 0.7], np.float32)
    track = Master(Audio(tones, 48_000), LoopPoints(0, 96_000), Facts(), MADE_BY)
    error = np.abs(decode(encode(track, output(codec), Tags()), codec).audio.samples - tones)
    at_the_seam = max(error[:, :300].max(), error[:, -300:].max())
    assert at_the_seam < max(2.5 * error[:, 20_000:70_000].max(), 0.005)


@pytest.mark.parametrize("codec", FREE)
@pytest.mark.parametrize("hz", [100.0, 1000.0, 10_000.0])
def test_a_sine_keeps_frequency_and_level(codec: Codec, hz: float) -> None:
    wave = 0.5 * np.sin(2 * np.pi * hz / 44_100 * np.arange(44_100))
    tone = Master(Audio(wave.astype(np.float32)[None], 44_100), None, Facts(), MADE_BY)
    heard = decode(encode(tone, output(codec), Tags()), codec).audio
    middle = heard.samples[0, 5000:-5000]
    assert level_dbfs(middle, hz, heard.rate_hz) == pytest.approx(20 * np.log10(0.5), abs=0.1)
    assert level_dbfs(middle, hz * 1.07, heard.rate_hz) < -50


@pytest.mark.parametrize("codec", FREE)
@pytest.mark.parametrize("channels", [1, 2])
@given(frames=st.integers(64, 9000), rate_hz=st.sampled_from([22_050, 32_000, 44_100, 48_000]))
@settings(max_examples=12, deadline=None)
def test_the_length_is_exact(codec: Codec, channels: int, frames: int, rate_hz: int) -> None:
    kbps = 64 if codec == "mp3" and rate_hz < 32_000 else 192
    made = encode(master(rate_hz, frames, channels), output(codec, bitrate_kbps=kbps), TAGS)
    heard = decode(made, codec)
    assert (heard.rate_hz, heard.frames) == delivered(codec, rate_hz, frames)
    assert heard.channels == channels
    assert heard.loop == LoopPoints(0, heard.frames)


@pytest.mark.parametrize("codec", FREE)
def test_tags_and_inner_loop_points_come_back(codec: Codec) -> None:
    track = Master(master().audio, LoopPoints(1234, 98_765), Facts(), MADE_BY)
    heard = decode(encode(track, output(codec), TAGS), codec)
    ratio = heard.rate_hz / 44_100
    assert heard.loop == LoopPoints(round(1234 * ratio), round(98_765 * ratio))
    wanted = {"title": TAGS.title, "game": "Tydust", "generator": "composer", "licence": "CC0-1.0"}
    assert heard.tags.items() >= wanted.items()
    assert heard.tags["prompt_digest"] == TAGS.prompt_digest


@pytest.mark.parametrize("codec", FREE)
def test_no_loop_leaves_no_loop_points(codec: Codec) -> None:
    made = encode(master(loop=False, frames=20_000), output(codec), Tags())
    assert decode(made, codec).loop is None
    assert b"LOOP" not in made
    assert b"smpl" not in made


@pytest.mark.skipif(not shutil.which("ffprobe"), reason="ffprobe is not installed")
@pytest.mark.parametrize("codec", [*FREE, "m4a"])
def test_ffprobe_sees_length_codec_and_loop(tmp_path: Path, codec: Codec) -> None:
    path = tmp_path / f"x.{codec}"
    path.write_bytes(encoded(codec))
    entries = "stream=codec_name,sample_rate,duration:stream_tags:format_tags"
    command = ["ffprobe", "-v", "error", "-show_entries", entries, "-of", "json", str(path)]
    seen = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    stream = seen["streams"][0]
    rate_hz, frames = delivered(codec, 44_100, 100_003)
    names = {"ogg": "vorbis", "wav": "pcm_s24le", "m4a": "aac"}
    assert (stream["codec_name"], int(stream["sample_rate"])) == (names.get(codec, codec), rate_hz)
    spare_s = {"mp3": 0.06, "opus": 0.0066}.get(codec, 1e-5)  # ffprobe counts the delay of these two
    assert float(stream["duration"]) == pytest.approx(frames / rate_hz, abs=spare_s)
    tags = seen["format"].get("tags", {}) | stream.get("tags", {})
    assert (tags.get("title") or tags.get("TITLE")) == TAGS.title
    assert codec == "wav" or (tags["LOOPSTART"], tags["LOOPLENGTH"]) == ("0", str(frames))


def test_the_smpl_chunk_ends_on_the_last_sample() -> None:
    data = encoded("wav")
    place = data.index(b"smpl") + 8
    fields = struct.unpack_from("<15I", data, place)
    assert fields[2] == round(1e9 / 44_100)
    assert fields[7] == 1
    assert fields[10:13] == (0, 0, 100_002)
    assert struct.unpack_from("<I", data, 4)[0] == len(data) - 8


def test_float_wav_holds_no_time_of_day() -> None:
    assert b"PEAK" not in encoded("wav", bits="float")


@pytest.mark.parametrize("quality", [0.0, 3.0, 6.0, 10.0])
def test_ogg_quality_is_that_of_vorbis(quality: float) -> None:
    """Nominal bit rates of libvorbis at 44.1 kHz stereo, as `oggenc -q` writes them."""
    data = encoded("ogg", quality=quality)
    nominal = struct.unpack_from("<i", data, data.index(b"\x01vorbis") + 20)[0]
    assert nominal == {0.0: 64_000, 3.0: 112_000, 6.0: 192_000, 10.0: 499_821}[quality]


@pytest.mark.parametrize("kbps", mp3.BITRATES_KBPS[1])
def test_mp3_keeps_the_level_at_every_bit_rate(kbps: int) -> None:
    """LAME would turn it down by up to 0.45 dB."""
    wave = 0.5 * np.sin(2 * np.pi * 500 / 44_100 * np.arange(30_000))
    tone = Master(Audio(wave.astype(np.float32)[None], 44_100), None, Facts(), MADE_BY)
    heard = decode(encode(tone, output("mp3", bitrate_kbps=kbps), Tags()), "mp3").audio.samples[0, 5000:-5000]
    assert level_dbfs(heard, 500, 44_100) == pytest.approx(20 * np.log10(0.5), abs=0.02)


@pytest.mark.parametrize("kbps", mp3.BITRATES_KBPS[1])
def test_mp3_bit_rate_is_that_of_every_frame(kbps: int) -> None:
    made = encode(master(frames=12_000), output("mp3", bitrate_kbps=kbps), Tags())
    assert mp3.walk(made).kbps == kbps
    assert (b"LAME" in made[:300]) == (kbps >= 64)


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 12_000, 16_000, 22_050, 24_000])
def test_mp3_bit_rate_at_low_sample_rates(rate_hz: int) -> None:
    choices = [kbps for kbps in (24, 32, 64, 128, 160) if not objection(output("mp3", bitrate_kbps=kbps), rate_hz)]
    for kbps in choices:
        made = encode(master(rate_hz, 12_000), output("mp3", bitrate_kbps=kbps), Tags())
        assert mp3.walk(made).kbps == kbps


@pytest.mark.parametrize("kbps", [64, 128, 256])
def test_opus_bit_rate_is_near_what_was_asked(kbps: int) -> None:
    noise = np.random.default_rng(1).standard_normal((2, 96_000)).astype(np.float32) * 0.1
    track = Master(Audio(noise, 48_000), None, Facts(), MADE_BY)
    heard = decode(encode(track, output("opus", bitrate_kbps=kbps), Tags()), "opus")
    assert heard.bitrate_kbps == pytest.approx(kbps, rel=0.15)


def test_dither_makes_the_error_of_16_bits_independent_of_the_sound() -> None:
    """A sine of half a step is lost without dither; with it, it stands in the noise at its own level."""
    wave = 0.5 / 32_768 * np.sin(2 * np.pi * 997 / 44_100 * np.arange(88_200))
    quiet = Master(Audio(wave.astype(np.float32)[None], 44_100), None, Facts(), MADE_BY)
    heard = decode(encode(quiet, output("wav", bits="16"), Tags()), "wav").audio.samples[0]
    assert level_dbfs(heard, 997, 44_100) == pytest.approx(20 * np.log10(0.5 / 32_768), abs=0.5)
    assert level_dbfs(heard, 3 * 997, 44_100) < -115


def test_what_is_over_full_scale_is_clipped_and_not_wrapped() -> None:
    loud = Master(Audio(np.array([[1.5, -1.5] * 100], np.float32), 44_100), None, Facts(), MADE_BY)
    heard = decode(encode(loud, output("wav", bits="24"), Tags()), "wav").audio.samples
    assert heard[0, ::2].min() > 0.999
    assert heard[0, 1::2].max() == -1.0


def test_two_processes_write_the_same_bytes() -> None:
    program = (
        "import hashlib; from tests.codec.sounds import encoded;"
        "print([hashlib.sha256(encoded(codec)).hexdigest() for codec in ('ogg', 'opus', 'flac', 'mp3', 'wav')],"
        "hashlib.sha256(encoded('wav', bits='float') + encoded('flac', bits='16')).hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    runs = [
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=env).stdout
        for env in (environment, {**environment, "PYTHONHASHSEED": "8"})
    ]
    assert runs[0] == runs[1]


def test_ogg_serial_numbers_come_from_the_content() -> None:
    serials = {struct.unpack_from("<I", encoded(codec, quality=q), 14) for codec in ("ogg", "opus") for q in (6.0, 5.0)}
    assert len(serials) == 3  # quality means nothing to opus


@pytest.mark.usefixtures("ffmpeg")
def test_m4a_with_ffmpeg_alone() -> None:
    assert available("m4a") == ""
    made = encode(master(), output("m4a"), TAGS)
    heard = decode(made, "m4a")
    assert made == encode(master(), output("m4a"), TAGS)
    assert (heard.rate_hz, heard.frames, heard.loop) == (44_100, 100_003, LoopPoints(0, 100_003))
    assert heard.tags.items() >= {"title": TAGS.title, "game": "Tydust", "licence": "CC0-1.0"}.items()
    assert signal_to_noise_db(master().audio.samples, heard.audio.samples) > 18


def test_m4a_without_ffmpeg_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "install ffmpeg" in available("m4a")
    with pytest.raises(UnavailableError, match="ffmpeg") as caught:
        encode(master(frames=1000), output("m4a"), Tags())
    assert "apt install ffmpeg" in str(caught.value)


@pytest.mark.parametrize(
    ("wanted", "rate_hz", "words"),
    [
        (output("mp3", bitrate_kbps=200), 44_100, "no 200 kb/s"),
        (output("mp3"), 96_000, "no sample rate of 96000"),
        (output("mp3", bitrate_kbps=160), 8_000, "no 160 kb/s"),
        (output("ogg", quality=-1.0), 44_100, "quality -1"),
        (output("flac", bits="float"), 44_100, "no float"),
        (output("opus", bitrate_kbps=5), 48_000, "5 kb/s"),
    ],
)
def test_what_a_codec_cannot_do_is_said_before_and_refused(wanted: object, rate_hz: int, words: str) -> None:
    assert words in objection(wanted, rate_hz)  # type: ignore[arg-type]
    with pytest.raises(CodecError, match=words):
        encode(master(rate_hz, 1000), wanted, Tags())  # type: ignore[arg-type]


@pytest.mark.parametrize("codec", FREE)
def test_a_bomb_is_refused_by_its_length(codec: Codec) -> None:
    with pytest.raises(CodecError, match="longer than 1 second"):
        decode(encoded(codec), codec, max_duration_s=1.0)


def test_a_file_under_a_wrong_name_is_refused() -> None:
    with pytest.raises(CodecError, match="it is Opus in Ogg"):
        decode(encoded("opus"), "ogg")


def test_loop_points_outside_the_file_are_no_loop_points() -> None:
    data = bytearray(encoded("wav"))
    struct.pack_into("<I", data, data.index(b"smpl") + 8 + 48, 200_000)
    assert decode(bytes(data), "wav").loop is None


def test_codec_of_knows_the_extensions() -> None:
    names = {"music/a.OGG": "ogg", "a.b.mp3": "mp3", "x.opus": "opus", "x.m4a": "m4a", "x.txt": None, "ogg": None}
    assert {name: codec_of(name) for name in names} == names
