"""The picture shows what is in the sound: where it is loud, which pitch it has, where it loops."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tydust_assetgen.audio import Audio, LoopPoints
from tydust_assetgen.errors import UnavailableError
from tydust_assetgen.flow import Facts, SectionTime
from tydust_assetgen.operations.plot import _bands_db, _edges_hz, plot

FACTS = Facts(key="D minor", bpm=90, bars=4, sections=(SectionTime("quiet", 0, 2), SectionTime("loud", 2, 2)))


def two_halves() -> Audio:
    time = np.arange(4 * 44_100) / 44_100
    wave = np.where(time < 2, 0.1 * np.sin(2 * np.pi * 200 * time), 0.8 * np.sin(2 * np.pi * 3000 * time))
    return Audio(np.stack([wave, wave]).astype(np.float32), 44_100)


def pixels(path: Path) -> NDArray[np.float64]:
    from matplotlib.image import imread

    return np.asarray(imread(path), np.float64)[..., :3]


def test_the_spectrogram_finds_the_pitch_and_level_of_each_half() -> None:
    levels = _bands_db(two_halves())
    edges = _edges_hz(44_100)
    quarter, three_quarters = levels.shape[1] // 4, levels.shape[1] * 3 // 4
    for column, hz in ((quarter, 200), (three_quarters, 3000)):
        band = int(np.argmax(levels[:, column]))
        assert edges[band] / 1.03 <= hz <= edges[band + 1] * 1.03
    assert levels.max() == 0
    assert levels[:, quarter].max() < levels[:, three_quarters].max() - 3


def test_the_same_track_gives_the_same_picture(tmp_path: Path) -> None:
    audio = two_halves()
    for name in ("a.png", "b.png"):
        plot(audio, FACTS, LoopPoints(0, audio.frames), "music/x.ogg", tmp_path / name)
    data = (tmp_path / "a.png").read_bytes()
    assert data == (tmp_path / "b.png").read_bytes()
    assert struct.unpack(">II", data[16:24]) == (1600, 900)
    assert b"matplotlib" not in data
    assert b"tIME" not in data


def test_the_loop_is_marked_and_the_wave_is_taller_where_it_is_loud(tmp_path: Path) -> None:
    audio = two_halves()
    plot(audio, FACTS, LoopPoints(44_100, 3 * 44_100), "x", tmp_path / "loop.png")
    plot(audio, FACTS, None, "x", tmp_path / "plain.png")
    orange = [np.all(np.abs(pixels(tmp_path / f"{n}.png") - (0.894, 0.341, 0.18)) < 0.02, 2) for n in ("loop", "plain")]
    columns = np.flatnonzero(orange[0].sum(axis=0) > 400)
    assert orange[1].sum() < orange[0].sum() / 5
    assert columns.size >= 2
    body = np.all(np.abs(pixels(tmp_path / "plain.png") - (0.169, 0.227, 0.62)) < 0.02, axis=2).sum(axis=0)
    middle = int(np.median(np.flatnonzero(body)))
    assert body[middle + 100] > 4 * body[middle - 100] > 0


def test_without_matplotlib_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UnavailableError) as caught:
        plot(two_halves(), FACTS, None, "x", tmp_path / "x.png")
    assert 'pip install "tydust-assetgen[plot]"' in str(caught.value)
    assert not (tmp_path / "x.png").exists()
