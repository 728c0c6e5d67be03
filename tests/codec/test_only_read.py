"""Reference sounds in formats that libsndfile can't read, through pydub and a real ffmpeg."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from conftest import put_ffmpeg

from tydust_assetgen.codec import MAX_BYTES, ONLY_READ, decode_reference
from tydust_assetgen.errors import CodecError, UnavailableError

ENCODERS = {".wma": "wmav2", ".webm": "libopus", ".mka": "flac", ".wv": "wavpack", ".ac3": "ac3"}
SECONDS = 2.0


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for whatever is temporary; another one, with an ffmpeg and no ffprobe, is the whole path."""
    for name in ("bin", "temporary"):
        (tmp_path / name).mkdir()
    put_ffmpeg(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path / "temporary"


def made(folder: Path, suffix: str, *options: str, seconds: float = SECONDS) -> bytes:
    """Two tones, 300 Hz on the left and 500 Hz on the right."""
    sound = f"sine=f=300:d={seconds}[l];sine=f=500:d={seconds}[r];[l][r]join=inputs=2:channel_layout=stereo,volume=4"
    encoder = ENCODERS.get(suffix, "aac")
    words = ["-v", "error", "-nostdin", "-f", "lavfi", "-i", sound, "-ar", "48000", "-c:a", encoder, *options]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), *words, str(folder / f"made{suffix}")], check=True)
    return (folder / f"made{suffix}").read_bytes()


def strongest_hz(samples: np.ndarray, rate_hz: int) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(samples))) * rate_hz / samples.size)


@pytest.mark.parametrize("suffix", ONLY_READ)
def test_the_sound_comes_through_and_no_file_is_left(suffix: str, tmp_path: Path, temporary: Path) -> None:
    audio = decode_reference(made(tmp_path, suffix), f"references/Theme{suffix.upper()}", max_duration_s=600)
    assert (audio.rate_hz, audio.channels) == (48_000, 2)
    assert audio.duration_s == pytest.approx(SECONDS, abs=0.1)
    assert [strongest_hz(side, audio.rate_hz) for side in audio.samples] == pytest.approx([300, 500], abs=1)
    assert np.abs(audio.samples).max() == pytest.approx(0.5, abs=0.1)
    assert list(temporary.iterdir()) == []


def test_an_m4a_file_comes_through_as_well(tmp_path: Path) -> None:
    audio = decode_reference(made(tmp_path, ".m4a"), "theme.m4a", max_duration_s=600)
    assert [strongest_hz(side, audio.rate_hz) for side in audio.samples] == pytest.approx([300, 500], abs=1)


def test_the_same_file_gives_the_same_samples(tmp_path: Path) -> None:
    data = made(tmp_path, ".aac")
    one, other = (decode_reference(data, "a.aac", max_duration_s=600) for _ in range(2))
    assert one.samples.tobytes() == other.samples.tobytes()


def test_what_is_too_long_is_refused(tmp_path: Path) -> None:
    data = made(tmp_path, ".aac", seconds=10)
    with pytest.raises(CodecError, match="longer than 5 seconds"):
        decode_reference(data, "a.aac", max_duration_s=5)


def test_what_is_too_large_is_refused() -> None:
    with pytest.raises(CodecError, match="larger than 512 MB"):
        decode_reference(bytes(MAX_BYTES + 1), "a.aac", max_duration_s=600)


@pytest.mark.parametrize("data", [b"", b"this is no sound", bytes(5000)])
@pytest.mark.parametrize("suffix", ONLY_READ)
def test_what_is_no_sound_is_said(suffix: str, data: bytes, temporary: Path) -> None:
    with pytest.raises(CodecError, match=f"ffmpeg could not decode {suffix[1:]}: |no audio in the file"):
        decode_reference(data, f"a{suffix}", max_duration_s=600)
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("suffix", ONLY_READ)
def test_a_list_of_other_files_is_not_followed(suffix: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret.wav"
    made(tmp_path, ".aac")
    subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(tmp_path / "made.aac"), str(secret)], check=True
    )
    lists = (
        f"ffconcat version 1.0\nfile {secret}\n",
        f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile://{secret}\n#EXT-X-ENDLIST\n",
    )
    for text in lists:
        with pytest.raises(CodecError):
            decode_reference(text.encode(), f"a{suffix}", max_duration_s=600)


def test_without_ffmpeg_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = made(tmp_path, ".aac")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnavailableError, match="aac needs ffmpeg") as caught:
        decode_reference(data, "a.aac", max_duration_s=600)
    assert "apt install ffmpeg" in str(caught.value)
