"""The thin line through everything, on real input: the calm first phase of Tydust, from manifest to measured files."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from conftest import REPOSITORY, Game
from scipy import signal

from tydust_assetgen import codec
from tydust_assetgen.building.pool import Pool
from tydust_assetgen.codec import Decoded
from tydust_assetgen.dsp import integrated_lufs, true_peak_dbtp

SLOT = "music/phase1_calm.ogg"


@pytest.fixture(scope="module")
def phase1(tmp_path_factory: pytest.TempPathFactory, pool: Pool) -> Game:
    game = Game(tmp_path_factory.mktemp("tydust"), pool)
    shutil.copy(REPOSITORY / "assets.toml", game.root)
    report = game.build(SLOT)
    assert report.summary.generated == 1
    assert report.exit_code == 0
    return game


@pytest.fixture(scope="module")
def ogg(phase1: Game) -> Decoded:
    return codec.decode(phase1.path(SLOT).read_bytes(), "ogg")


def test_it_is_22_whole_bars_that_loop(ogg: Decoded, phase1: Game) -> None:
    """60 s at 90 BPM are 22.5 bars; the nearest even number of whole bars is 22."""
    assert ogg.frames == round(22 * 4 * 60 / 90 * 44_100)
    assert ogg.loop is not None
    assert (ogg.loop.start_frames, ogg.loop.end_frames) == (0, ogg.frames)
    entry = phase1.lock.entry(SLOT)
    assert entry is not None
    assert [section.name for section in entry.facts.sections] == ["intro", "main", "outro"]
    assert (entry.facts.key, entry.facts.bpm, entry.facts.bars) == ("D minor", 90.0, 22)


def test_both_formats_are_as_loud_as_asked_and_leave_room(phase1: Game) -> None:
    for path, kind in ((SLOT, "ogg"), ("music/phase1_calm.mp3", "mp3")):
        heard = codec.decode(phase1.path(path).read_bytes(), kind)  # type: ignore[arg-type]
        assert integrated_lufs(heard.audio) == pytest.approx(-16, abs=0.5)
        assert true_peak_dbtp(heard.audio) < -0.5


def test_intro_and_outro_are_calmer_than_the_main_theme(ogg: Decoded) -> None:
    def loudness(start_s: float, end_s: float) -> float:
        part = ogg.audio.samples[:, round(start_s * 44_100) : round(end_s * 44_100)]
        return float(10 * np.log10(np.mean(np.square(part, dtype=np.float64))))

    main = loudness(20, 45)
    assert loudness(1, 9) < main - 2
    assert loudness(52, 58) < main - 2


def test_the_bass_plays_the_tonic(ogg: Decoded) -> None:
    """The first bar stands on D: among the bass notes its octaves are the strongest."""
    bar = ogg.audio.samples.mean(axis=0)[: round(8 / 3 * 44_100)]
    hertz, power = signal.welch(bar, 44_100, nperseg=32_768)
    band = (hertz > 35) & (hertz < 160)
    strongest = hertz[band][np.argmax(power[band])]
    semitones = 12 * np.log2(strongest / 73.416)
    assert abs(semitones - 12 * round(semitones / 12)) < 0.7


def test_it_plays_seamlessly(ogg: Decoded) -> None:
    """Played twice, the step at the wrap is one like the others."""
    steps = np.abs(np.diff(ogg.audio.samples, axis=1))
    wrap = np.abs(ogg.audio.samples[:, 0] - ogg.audio.samples[:, -1])
    assert wrap.max() < np.quantile(steps, 0.99)


def test_the_second_build_does_nothing_and_quality_only_encodes(phase1: Game) -> None:
    assert phase1.counts(SLOT) == {"fresh": 1}
    manifest = phase1.root / "assets.toml"
    text = manifest.read_text()
    manifest.write_text(text.replace("ogg       = { quality = 6 }", "ogg = { quality = 4 }", 1))
    assert phase1.counts(SLOT) == {"encoded": 1}
    manifest.write_text(text)
    assert phase1.counts(SLOT) == {"restored": 1}
    manifest.write_text(text.replace("subtle arpeggios establishing mood", "bold arpeggios establishing mood"))
    assert phase1.counts(SLOT) == {"generated": 1, "finished": 1, "encoded": 1}
