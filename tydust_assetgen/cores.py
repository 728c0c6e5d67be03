"""How many CPUs there are for this process. In walks nothing, out walks a number."""

from __future__ import annotations

import os
import sys


def cores() -> int:
    """CPUs that this process may run on, 1 or more. On Linux `taskset` and a container's set of CPUs count."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
