"""The drum machines and the chip's noise."""

from __future__ import annotations

import numpy as np
import pytest

from tests.generate.composer.synth.spectra import centroid_hz, decay_s
from tydust_assetgen.generate.composer.synth import chip, drums
from tydust_assetgen.generate.composer.synth.note_cache import SoundKey, note
from tydust_assetgen.generate.composer.synth.patches import PATCHES

KITS = ("kit_80s", "kit_80s_soft", "kit_dark", "kit_industrial")


def stroke(kit: str, key: int, held_frames: int = 0, variant: int = 0, opened: int = 0) -> np.ndarray:
    return note(SoundKey(kit, key, held_frames, opened, variant))


@pytest.mark.parametrize("kit", KITS)
@pytest.mark.parametrize(
    ("key", "low_hz", "high_hz"),
    [(36, 30, 250), (41, 60, 700), (48, 120, 900), (38, 300, 5_000), (39, 900, 5_000), (42, 5_000, 13_000),
     (46, 5_000, 13_000), (49, 3_000, 11_000), (56, 300, 6_000), (70, 6_000, 13_000)],
)  # fmt: skip
def test_each_drum_has_its_place_in_the_spectrum(kit: str, key: int, low_hz: float, high_hz: float) -> None:
    assert low_hz < centroid_hz(stroke(kit, key)) < high_hz


@pytest.mark.parametrize("kit", KITS)
def test_drums_ring_as_long_as_they_should(kit: str) -> None:
    lengths = [decay_s(stroke(kit, key), 20.0) for key in (42, 36, 46, 49)]
    assert lengths[0] < 0.05
    assert 0.05 < lengths[1] < 0.3
    assert lengths == sorted(lengths) or lengths[1] > lengths[2] > lengths[0]
    assert 0.3 < lengths[3] < 1.5


def test_the_kick_falls_to_its_pitch() -> None:
    kick = stroke("kit_80s_soft", 36)[0]
    crossings = np.flatnonzero((kick[4_000:12_000][:-1] < 0) & (kick[4_000:12_000][1:] >= 0))
    assert 44_100.0 / np.mean(np.diff(crossings)) == pytest.approx(46.0, rel=0.05)
    assert centroid_hz(kick[:1_500]) > 1.5 * centroid_hz(kick[4_000:9_000])


def test_the_eighties_snare_is_gated() -> None:
    level = np.abs(stroke("kit_80s", 38)).max(axis=0)
    before, after = level[int(0.15 * 44_100) : int(0.19 * 44_100)], level[int(0.245 * 44_100) :]
    assert 20.0 * np.log10(np.sqrt(np.mean(before**2)) / np.sqrt(np.mean(after**2))) > 24.0


def test_a_closed_hat_chokes_an_open_one() -> None:
    free, choked = stroke("kit_80s", 46), stroke("kit_80s", 46, held_frames=2_000)
    assert choked.shape[1] < 2_700 < free.shape[1]
    assert np.array_equal(choked[:, :1_900], free[:, :1_900])


def test_repeated_strokes_differ_but_weigh_the_same() -> None:
    takes = [stroke("kit_80s", 42, variant=variant) for variant in range(drums.VARIANTS)]
    for take in takes[1:]:
        assert abs(np.corrcoef(takes[0][0], take[0])[0, 1]) < 0.6
        assert 10.0 * np.log10(np.mean(take**2) / np.mean(takes[0] ** 2)) == pytest.approx(0.0, abs=2.0)


def test_an_unknown_key_is_played_on_the_nearest_drum() -> None:
    assert [drums.nearest(key) for key in (35, 36, 40, 44, 50, 57, 69, 127)] == [36, 36, 38, 42, 48, 49, 70, 70]
    assert all(drums.nearest(key) == key for key in drums.KEYS)


def test_every_kit_has_every_promised_key() -> None:
    promised = {36, 37, 38, 39, 41, 45, 48, 42, 46, 49, 51, 54, 56, 70}
    assert set(drums.KEYS) == set(chip.CHIP_KEYS) == promised
    assert set(KITS) <= set(PATCHES)


def test_the_shift_register_runs_through_all_its_states() -> None:
    """A 15-bit maximal sequence: period 32767, one more 1 than 0, and no shorter period."""
    bits = chip.register_bits()
    assert len(bits) == 32_767
    assert np.sum(bits) == 16_384
    words = np.convolve(np.concatenate([bits, bits[:14]]), 2 ** np.arange(15), mode="valid")
    assert len(np.unique(words)) == 32_767


def test_the_noise_channel_gets_darker_with_its_period() -> None:
    centroids = [centroid_hz(chip.noise(period, 22_050)) for period in (4, 8, 12, 15)]
    assert centroids == sorted(centroids, reverse=True)
    assert centroids[0] > 3.0 * centroids[-1]


def test_the_chip_volume_has_sixteen_steps() -> None:
    level = chip.volume(PATCHES["chip_pulse50"].instrument.amp, 22_050, 0.4)
    resting = level[:-1][np.diff(level) == 0.0]
    assert set(np.round(resting * 15.0, 4)) <= set(np.arange(16.0))
    assert len(set(np.round(resting * 15.0))) > 5
