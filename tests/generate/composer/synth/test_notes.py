"""Every patch, note by note: pitch, loudness, ends, extremes."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from scipy import fft

from tests.generate.composer.synth.spectra import centroid_hz, loudness_lufs
from tydust_assetgen.generate.composer.synth import subtractive
from tydust_assetgen.generate.composer.synth.note_cache import SoundKey, note, rendered
from tydust_assetgen.generate.composer.synth.patches import PATCHES, Chip, Effect, Fm, Kit, Subtractive
from tydust_assetgen.generate.composer.synth.signal import Adsr, hertz, seconds

TONAL = [
    name
    for name, patch in PATCHES.items()
    if isinstance(patch.instrument, Subtractive | Fm) or (isinstance(patch.instrument, Chip) and "noise" not in name)
]
ROLES = {
    # role: patches, pitch, length in s, loudness in LUFS
    "pad": (("warm_pad", "dark_pad", "glass_pad", "choir_pad", "strings"), 60, 2.0, -21.0),
    "bass": (("warm_bass", "acid_bass", "sub_bass", "reese_bass", "distorted_bass"), 38, 0.3, -22.0),
    "lead": (("saw_lead", "square_lead", "soft_lead", "bell", "brass"), 72, 0.5, -18.0),
    "arp": (("pluck_arp", "pulse_arp", "fm_arp"), 72, 0.15, -20.0),
    "chip": (("chip_pulse12", "chip_pulse25", "chip_pulse50"), 67, 0.2, -19.0),
}


def played(patch: str, pitch: int, length_s: float, opened: int = 0) -> np.ndarray:
    return note(SoundKey(patch, pitch, round(length_s * 44_100), opened))


def cents_off(sound: np.ndarray, hz: float) -> float:
    """Centre of gravity of the fundamental, in cents from `hz`."""
    mono = sound.mean(axis=0).astype(np.float64) * np.hanning(sound.shape[1])
    size = 1 << 18
    bins_hz = fft.rfftfreq(size, 1.0 / 44_100)
    near = np.abs(bins_hz / hz - 1.0) < 0.03
    power = np.abs(fft.rfft(mono, size)[near]) ** 2
    return float(1_200.0 * np.log2(np.sum(bins_hz[near] * power) / np.sum(power) / hz))


@pytest.mark.parametrize("patch", TONAL)
def test_the_fundamental_is_within_three_cents(patch: str) -> None:
    bass = patch.endswith("bass") or patch == "drone"
    for pitch in (33, 57) if bass else (48, 67, 91):
        assert abs(cents_off(unbent(patch, pitch), hertz(pitch))) < 3.0, pitch


def unbent(patch: str, pitch: int) -> np.ndarray:
    """Two seconds of a note without vibrato and scoop, which go away from the pitch on purpose."""
    instrument = PATCHES[patch].instrument
    if not isinstance(instrument, Subtractive):
        return played(patch, pitch, 2.0)
    straight = msgspec.structs.replace(instrument, vibrato_cents=0.0, scoop_cents=0.0)
    return subtractive.play(straight, pitch, 88_200, 0.0, "pitch")


@pytest.mark.parametrize("patch", TONAL)
def test_notes_begin_and_end_without_a_click(patch: str) -> None:
    sound = played(patch, 50, 0.4)
    peak = np.max(np.abs(sound))
    assert np.max(np.abs(sound[:, :22])) < 0.3 * peak
    assert np.max(np.abs(sound[:, -44:])) < 0.05 * peak
    assert np.max(np.abs(sound[:, [0, -1]])) < 0.01 * peak


@pytest.mark.parametrize("patch", PATCHES)
def test_any_pitch_and_the_shortest_length_give_finite_sound(patch: str) -> None:
    for pitch in (0, 64, 127):
        for opened in (-10, 7):
            sound = note(SoundKey(patch, drum_key(patch, pitch), 1, opened))
            assert np.all(np.isfinite(sound))
            assert np.max(np.abs(sound)) < 1.5


def drum_key(patch: str, pitch: int) -> int:
    drums = isinstance(PATCHES[patch].instrument, Kit) or patch == "chip_noise"
    return {0: 36, 64: 42, 127: 56}[pitch] if drums else pitch


@pytest.mark.parametrize("role", ROLES)
def test_patches_of_a_role_are_equally_loud(role: str) -> None:
    patches, pitch, length_s, wanted = ROLES[role]
    for patch in patches:
        levels = [loudness_lufs(played(patch, pitch + step, length_s)) for step in (-4, 0, 3)]
        assert np.mean(levels) == pytest.approx(wanted, abs=0.7), patch
        assert np.ptp(levels) < 4.0, patch


@pytest.mark.parametrize("patch", [n for n in TONAL if not n.startswith(("chip", "sub"))])
def test_opening_the_filter_makes_a_note_brighter(patch: str) -> None:
    dark, bright = (centroid_hz(played(patch, 48, 0.5, opened)) for opened in (-6, 6))
    assert bright > 1.02 * dark


@pytest.mark.parametrize("patch", [n for n, p in PATCHES.items() if not isinstance(p.instrument, Kit)])
def test_the_mono_sum_loses_less_than_three_db(patch: str) -> None:
    sound = played(patch, drum_key(patch, 64) if patch == "chip_noise" else 52, 1.0).astype(np.float64)
    assert 10.0 * np.log10(np.mean(sound.mean(axis=0) ** 2) / np.mean(sound**2)) > -3.2


@pytest.mark.parametrize("patch", ["warm_bass", "acid_bass", "sub_bass", "reese_bass", "distorted_bass"])
def test_the_low_end_is_mono(patch: str) -> None:
    sound = played(patch, 36, 1.0).astype(np.float64)
    low = fft.rfftfreq(sound.shape[1], 1.0 / 44_100) < 100.0
    left, right = (np.abs(fft.rfft(side))[low] for side in (sound[0], sound[-1]))
    assert 20.0 * np.log10(np.linalg.norm(left) / np.linalg.norm(right)) == pytest.approx(0.0, abs=0.5)


def test_a_unison_is_as_wide_as_its_detune() -> None:
    """The strings' six voices lie within 13 cents of either side of the eighth harmonic."""
    sound = rendered(SoundKey("strings", 57, 6 * 44_100, 0), 0)[:, 22_050:].sum(axis=0)
    hz = 8 * hertz(57)
    power = np.abs(fft.rfft(sound * np.hanning(len(sound)))) ** 2
    cents = 1_200.0 * np.log2(np.maximum(fft.rfftfreq(len(sound), 1.0 / 44_100), 1.0) / hz)
    near = np.abs(cents) < 45.0
    spread = np.sqrt(np.sum(cents[near] ** 2 * power[near]) / np.sum(power[near]))
    assert 6.0 < spread < 14.0
    assert np.sum(power[np.abs(cents) < 20.0]) > 0.98 * np.sum(power[near])


def test_the_envelope_keeps_its_times() -> None:
    amp = Adsr(0.01, 0.2, 0.5, 0.1)
    level = amp.at(seconds(44_100), 0.5)
    assert level[0] == 0.0
    assert level[441] == pytest.approx(1.0, abs=0.01)
    assert level[441 + 8_820] == pytest.approx(0.525, abs=0.01)
    assert level[22_050 + 2_205] == pytest.approx(0.5 * 0.5 * np.exp(-2.0), abs=0.01)
    assert np.all(level[22_050 + 4_411 :] == 0.0)
    assert np.argmax(level) == pytest.approx(441, abs=2)


def test_a_key_let_go_during_the_attack_fades_from_where_it_was() -> None:
    level = Adsr(0.5, 0.2, 0.5, 0.1).at(seconds(20_000), 0.1)
    assert np.max(level) < 0.2
    assert np.max(np.abs(np.diff(level))) < 0.002


def test_gestures_move_the_way_their_names_say() -> None:
    riser, impact = played("riser", 60, 2.0), played("impact", 40, 1.0)
    assert centroid_hz(riser[:, 70_000:88_000]) > 4.0 * centroid_hz(riser[:, :30_000])
    assert np.argmax(np.abs(impact[0])) < 8_820
    assert np.argmax(np.abs(riser[0])) > 66_000
    assert {type(PATCHES[name].instrument) for name in ("riser", "impact", "noise_sweep")} == {Effect}
