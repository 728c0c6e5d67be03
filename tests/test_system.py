"""The number of CPUs is what this process was given, not what the machine has."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tydust_assetgen.system import cores

TOLD = "from tydust_assetgen.system import cores; print(cores())"


def test_it_is_no_more_than_the_machine_has() -> None:
    assert 1 <= cores() <= (os.cpu_count() or 1)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives a process some of the CPUs")
def test_a_process_that_was_given_one_has_one() -> None:
    one = f"import os; os.sched_setaffinity(0, {{min(os.sched_getaffinity(0))}}); {TOLD}"
    assert subprocess.run([sys.executable, "-c", one], capture_output=True, check=True).stdout == b"1\n"
