"""Makes a master of a take: looped or trimmed, at the rate and the loudness that were asked for.

The order matters: the sound loses its offset and its tail is folded (or trimmed) at the take's own rate, then it gets
its channels and its rate, and last its loudness is set and its peaks are limited, so that nothing after the limiter
can raise a peak.
"""

from __future__ import annotations

from tydust_assetgen.flow import Finish, Master, Take

FINISH_VERSION = "1"
"""Goes into the master key: a new version means another master from the same take."""


def finish(take: Take, spec: Finish) -> Master:
    """Make a master of a take. The same take and spec give the same samples to the bit.

    Raises:
        GenerationError: the take is silent, empty, or holds values that are no numbers.
    """
    from tydust_assetgen.finish.steps import finished  # numpy and scipy come with it, and planning needs neither

    return finished(take, spec)
