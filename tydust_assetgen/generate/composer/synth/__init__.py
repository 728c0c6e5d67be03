"""The synthesizer, which plays a score with numpy and scipy alone.

    score -> timeline (events in frames) -> sounds (each unique note once) -> mix (stretches on a line or a circle)
          -> bus -> Rendering

See `docs/synth.md` for the sound library and the reasons.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tydust_assetgen.generate.composer.score import Score
from tydust_assetgen.generate.composer.synth.mix import mixed
from tydust_assetgen.generate.composer.synth.note_cache import Sounds
from tydust_assetgen.generate.composer.synth.patches import PATCHES
from tydust_assetgen.generate.composer.synth.signal import SAMPLE_RATE_HZ, Floats

__all__ = ["PATCHES", "SAMPLE_RATE_HZ", "Rendering", "render"]


class Rendering(NamedTuple):
    """A played score."""

    samples: Floats  # [2, loop_frames + tail_frames], peaks at or under 0.89
    loop_frames: int
    """Length of one pass. A loop has its tail folded in and is exactly this long; else the tail follows."""
    rate_hz: int

    @property
    def tail_frames(self) -> int:
        """Frames after the last bar."""
        return int(self.samples.shape[1]) - self.loop_frames


def render(score: Score, progress: Callable[[float], None] | None = None) -> Rendering:
    """Plays a score. The same score gives the same samples to the bit on the same machine.

    Args:
        score: what to play. A patch that is not in `PATCHES` is our own mistake (`KeyError`); a drum key that a kit
            does not have is played on the nearest one.
        progress: called with the share that is done, 0.0 to 1.0, now and then; 1.0 at the end.
    """
    report = progress or (lambda _share: None)
    samples = mixed(score, Sounds(score.seed), report)
    report(1.0)
    return Rendering(samples, round(score.duration_s * SAMPLE_RATE_HZ), SAMPLE_RATE_HZ)
