"""How many CPUs there are for this process. In walks nothing, out walks a number."""

from __future__ import annotations

import os


def cores() -> int:
    """CPUs that this process may run on, 1 or more. On Linux `taskset` and a container's set of CPUs count."""
    given = getattr(os, "sched_getaffinity", None)
    return len(given(0)) if given else os.cpu_count() or 1
