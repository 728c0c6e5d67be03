"""Band-limited oscillators and the filter inside them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.generate.composer.synth.spectra import between_harmonics_db, harmonic_db
from tydust_assetgen.generate.composer.synth import oscillator as osc

BLOCKS = 1 << 10  # 65536 frames


def at(hz: float) -> np.ndarray:
    return np.full(BLOCKS, hz)


def filtered(hz: float, cutoff_hz: float, poles: int = 4, resonance: float = 0.0) -> np.ndarray:
    source = osc.bank(osc.Tone("saw", poles, resonance), hz)
    flat, fades = source.tables(osc.course(np.full(BLOCKS + 1, cutoff_hz, np.float32), smooth=True))
    phase = osc.phase_of(at(hz), 0.0, osc.BLOCK).frames(0, BLOCKS, osc.BLOCK)
    return osc.read(source.bits, flat, phase, fades).reshape(-1)


@pytest.mark.parametrize("wave", ["saw", "square", "pulse0.125", "pulse0.25", "steps", "triangle"])
@pytest.mark.parametrize("hz", [437.3, 2_003.7, 4_186.0])
def test_aliases_below_10_khz_are_60_db_under_the_harmonics(wave: str, hz: float) -> None:
    assert between_harmonics_db(osc.steady(osc.Tone(wave), at(hz), 0.2), hz, 10_000.0) < -60.0


def test_a_sweep_has_no_aliases_either() -> None:
    glide_hz = np.geomspace(1_500.0, 2_500.0, BLOCKS)
    sound = osc.steady(osc.Tone("saw"), glide_hz, 0.0).astype(np.float64)
    phase = osc.phase_of(glide_hz, 0.0, osc.BLOCK).frames(0, BLOCKS, osc.BLOCK).reshape(-1) * 2.0**-32
    numbers = range(1, int(20_000.0 / glide_hz[-1]) + 1)
    true = sum(2.0 / (np.pi * k) * np.sin(2.0 * np.pi * k * phase) for k in numbers)
    assert 20.0 * np.log10(np.max(np.abs(sound - true)) / np.max(np.abs(true))) < -60.0


def test_a_note_above_the_ceiling_is_silent_and_not_an_alias() -> None:
    assert np.all(osc.steady(osc.Tone("saw"), at(21_000.0), 0.0) == 0.0)


@pytest.mark.parametrize(("poles", "slope_db"), [(2, -12.0), (4, -24.0)])
def test_the_low_pass_falls_by_six_db_per_pole_and_octave(poles: int, slope_db: float) -> None:
    sound = filtered(110.0, 110.0, poles)
    fall = harmonic_db(sound, 110.0, 12) - harmonic_db(sound, 110.0, 6)
    assert fall == pytest.approx(slope_db - 6.02, abs=0.6)


def test_resonance_lifts_the_harmonic_at_the_cutoff() -> None:
    def lift(resonance: float) -> float:
        sound = filtered(100.0, 1_000.0, 4, resonance)
        return harmonic_db(sound, 100.0, 10) - harmonic_db(sound, 100.0, 2)

    assert lift(0.8) - lift(0.0) > 15.0


@pytest.mark.parametrize(("wave", "gap"), [("pulse0.125", 8), ("pulse0.25", 4), ("square", 2)])
def test_a_pulse_has_no_harmonic_at_multiples_of_one_over_its_width(wave: str, gap: int) -> None:
    sound = osc.steady(osc.Tone(wave), at(220.0), 0.0)
    nulls = [harmonic_db(sound, 220.0, number) for number in (gap, 2 * gap, 3 * gap)]
    assert max(nulls) < -75.0
    assert min(harmonic_db(sound, 220.0, number) for number in (gap - 1, gap + 1)) > -22.0


def test_the_chip_triangle_has_the_32_steps_of_the_2a03() -> None:
    hz = 44_100 / 3_200.0  # a hundred frames for each step
    cycle = osc.steady(osc.Tone("steps"), np.full(100, hz), 0.0)[3_200:6_400].reshape(32, 100)
    assert np.mean(cycle[:, 30:70], axis=1) == pytest.approx(osc.triangle_steps(), abs=0.01)
    assert len(np.unique(np.round((osc.triangle_steps() + 1.0) * 7.5))) == 16


@given(st.lists(st.floats(20.0, 20_000.0), min_size=2, max_size=40), st.booleans())
def test_a_walking_filter_never_jumps(cutoffs: list[float], smooth: bool) -> None:
    fades = osc.course(np.array(cutoffs, np.float32), smooth)
    span = fades.high - fades.low
    ends = fades.low + span * fades.end.astype(np.float64)
    starts = fades.low + span * fades.start.astype(np.float64)
    assert ends[:-1] == pytest.approx(starts[1:], abs=1e-3)
    asked = 12.0 * np.log2(np.array(cutoffs) / 10.0)
    assert np.max(np.abs(starts - asked[:-1])) <= 1.0
    # Between two tables a mixture is one of neighbours, so both sides of an edge mix the same two.
    inside = np.flatnonzero(np.abs(ends[:-1] - np.rint(ends[:-1])) > 1e-3)
    assert np.array_equal(fades.low[:-1][inside], fades.low[1:][inside])
    assert np.array_equal(fades.high[:-1][inside], fades.high[1:][inside])


def test_tables_are_the_same_whatever_was_asked_before() -> None:
    fresh, used = (osc.Bank(osc.Tone("saw", 4, 0.3), 82.4, 18_000.0) for _ in range(2))
    used.tables(osc.course(np.geomspace(100, 9_000, 50).astype(np.float32), smooth=True))
    fades = osc.course(np.full(3, 800.0, np.float32), smooth=True)
    (one, first), (other, second) = fresh.tables(fades), used.tables(fades)
    rows = [flat.reshape(-1, 1 << fresh.bits)[path.low[0]] for flat, path in ((one, first), (other, second))]
    assert np.array_equal(rows[0], rows[1])
