"""The number of CPUs is what this process was given, not what the machine has."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from tydust_assetgen import system
from tydust_assetgen.project.state import read_plain_file
from tydust_assetgen.system import cores
from tydust_assetgen.system.safe_folder import SafeFolder

TOLD = "from tydust_assetgen.system import cores; print(cores())"


def test_it_is_no_more_than_the_machine_has() -> None:
    assert 1 <= cores() <= (os.cpu_count() or 1)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives a process some of the CPUs")
def test_a_process_that_was_given_one_has_one() -> None:
    one = f"import os; os.sched_setaffinity(0, {{min(os.sched_getaffinity(0))}}); {TOLD}"
    assert subprocess.run([sys.executable, "-c", one], capture_output=True, check=True).stdout == b"1\n"


def test_a_reader_takes_no_more_memory_than_a_file_is_large(tmp_path: Path) -> None:
    """Not as much as it may at most, which small machines don't have."""
    small = SafeFolder(tmp_path / "private")
    small.write("file", b"few bytes")
    path = tmp_path / "private/file"
    readers: list[Callable[[], bytes | None]] = [
        lambda: system.read_bounded(path),
        lambda: small.read("file", system.MAX_BYTES),
        lambda: read_plain_file(str(path)),
    ]
    for read in readers:
        tracemalloc.start()
        try:
            assert read() == b"few bytes"
            assert tracemalloc.get_traced_memory()[1] < 1 << 20
        finally:
            tracemalloc.stop()
    with pytest.raises(OSError, match="too large"):
        system.read_bounded(path, 5)
    assert system.read_bounded(path, 9) == b"few bytes"
