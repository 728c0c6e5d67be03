"""Tape loops: their pitch, their harmonics, and that nobody hears where they are glued."""

from __future__ import annotations

import numpy as np
import pytest
from spectra import between_harmonics_db

from tydust_assetgen.generate.composer.synth import oscillator as osc
from tydust_assetgen.generate.composer.synth import tape_loops
from tydust_assetgen.generate.composer.synth.signal import hertz

BLOCKS, BLOCK = 128, 512


def played(hz: float, cutoffs_hz: np.ndarray, start: float = 0.0) -> np.ndarray:
    splice = tape_loops.splice(hz, 44_100.0)
    fades = osc.course(cutoffs_hz.astype(np.float32), smooth=False)
    (runs,), rows = tape_loops.Tapes(osc.Tone("saw"), hz, osc.CEILING_HZ, (splice,), BLOCK).runs(fades)
    starts = (splice.start(start) + np.arange(BLOCKS) * BLOCK) % splice.frames
    return tape_loops.play(runs, rows, starts).reshape(-1)


@pytest.mark.parametrize("rate_hz", [44_100.0, 176_400.0])
def test_every_tape_is_in_tune_and_long_enough_for_a_block(rate_hz: float) -> None:
    for pitch in range(9, 128):
        splice = tape_loops.splice(hertz(pitch), rate_hz)
        cents = 1_200.0 * np.log2(splice.cycles * rate_hz / splice.frames / hertz(pitch))
        assert abs(cents) < 0.3, pitch
        assert splice.frames >= BLOCK


@pytest.mark.parametrize("turns", [0.0, 0.25, 0.7])
def test_a_tape_starts_at_the_phase_that_is_asked(turns: float) -> None:
    splice = tape_loops.splice(207.65, 44_100.0)
    apart = np.mod(splice.start(turns) * splice.cycles / splice.frames - turns + 0.5, 1.0) - 0.5
    assert abs(apart) < 0.001


def test_a_tape_says_what_a_table_says() -> None:
    splice = tape_loops.splice(311.13, 44_100.0)
    hz = splice.cycles * 44_100.0 / splice.frames
    wide_open = osc.steady(osc.Tone("saw"), np.full(BLOCKS * BLOCK // osc.BLOCK, hz), 0.3, osc.CEILING_HZ)
    copied = played(hz, np.full(BLOCKS + 1, 1e9), 0.3)
    assert np.corrcoef(copied, wide_open)[0, 1] > 0.999
    assert np.std(copied) == pytest.approx(np.std(wide_open), rel=0.01)


def test_there_is_nothing_between_the_harmonics_not_even_where_a_tape_is_glued() -> None:
    splice = tape_loops.splice(440.0, 44_100.0)
    hz = splice.cycles * 44_100.0 / splice.frames
    assert between_harmonics_db(played(hz, np.full(BLOCKS + 1, 3_000.0)), hz, 16_000.0) < -100.0


def test_a_filter_walks_from_tape_to_tape_without_a_step() -> None:
    cutoffs = np.geomspace(300.0, 1_200.0, BLOCKS + 1)
    sound = played(110.0, cutoffs)
    jumps = np.abs(np.diff(sound, 2))
    edges = np.arange(BLOCK, len(sound), BLOCK)
    assert np.max(np.abs(jumps[edges - 1])) <= np.max(jumps[: len(sound) // 2]) * 4.0
    assert np.std(np.diff(sound[-8_192:])) > 1.5 * np.std(np.diff(sound[:8_192]))
