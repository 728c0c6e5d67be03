"""When memory runs out: real failures, in processes that may have only so much of it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from conftest import environment

from tydust_assetgen.generate.musicgen.runtime.memory import is_out_of_memory, requested_bytes

if TYPE_CHECKING:
    from tests.generate.musicgen.checkpoints import Checkpoint

pytest.importorskip("audiocraft")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="address space is limited on Linux only")

LIMIT = """
import resource, torch
torch.set_num_threads(1)
from tydust_assetgen.generate.musicgen.runtime.memory import _under_limit, free, free_bytes, retry_on_out_of_memory

def only(megabytes):
    "From now on the process may have this much more."
    with open("/proc/self/statm") as pages:
        used = int(pages.read().split()[0]) * 4096
    resource.setrlimit(resource.RLIMIT_AS, (used + (megabytes << 20), resource.RLIM_INFINITY))

def no_limit():
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
"""


def run(code: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", LIMIT + code], env=environment(), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_what_can_be_freed_is_freed_and_it_is_tried_once_more() -> None:
    lines = run(
        """
ballast = [torch.zeros(300 << 18)]
only(100)
tries = []
def work(attempt):
    tries.append(attempt)
    if attempt == 1:
        yield "before"
    yield torch.zeros(250 << 18).numel()
def relieve():
    ballast.clear()
    free()
print(*retry_on_out_of_memory(work, device="cpu", model="medium", free_memory=relieve), tries)
"""
    )
    assert lines == [f"before {250 << 18} [1, 2]"]


def test_after_two_tries_it_says_what_was_needed_and_what_would_help() -> None:
    lines = run(
        """
from tydust_assetgen.errors import GenerationError
only(64)
tries = []
def work(attempt):
    tries.append(attempt)
    yield torch.zeros(512 << 18)
try:
    list(retry_on_out_of_memory(work, device="cpu", model="facebook/musicgen-large"))
except GenerationError as error:
    print(error)
print(len(tries), 0 <= free_bytes("cpu") <= 64 << 20)
"""
    )
    assert lines[0].startswith("memory ran out: 512 MiB more were needed, ")
    assert lines[0].endswith(" MiB are free")
    assert lines[1:] == ['  hint: try `model = "medium"`, a shorter duration', "2 True"]


def test_other_errors_are_not_taken_for_it() -> None:
    lines = run(
        """
tries = []
def work(attempt):
    tries.append(attempt)
    yield torch.zeros(2, 3) @ torch.zeros(2, 3)
try:
    list(retry_on_out_of_memory(work, device="cpu", model="small"))
except RuntimeError as error:
    print(type(error).__name__, len(tries))
"""
    )
    assert lines == ["RuntimeError 1"]


def test_a_track_that_has_no_room_fails_alone_and_the_next_one_is_whole(tiny_t5: Checkpoint) -> None:
    lines = run(
        f"""
from pathlib import Path
import msgspec
from tydust_assetgen.system import digest_bytes
from tydust_assetgen.errors import GenerationError
from tydust_assetgen.flow import Brief
from tydust_assetgen.generate.musicgen import MusicGen
from tydust_assetgen.generate.protocol import Shelf
made_by = MusicGen()
values = msgspec.to_builtins(made_by.parameters(model={str(tiny_t5.folder)!r}, extend_stride=2.5))
brief = Brief(generator="musicgen", prompt="calm", duration_s=1.0, seed=3, loop=False, parameters=values)
long = msgspec.structs.replace(brief, duration_s=3.9)
def play(brief):
    ((_, take),) = made_by.generate([brief], Shelf(Path()), lambda *_: None)
    return digest_bytes(take.audio.samples.tobytes())
before = play(brief)
only(1)
try:
    play(long)
    print("there was room")
except GenerationError as error:
    print(str(error).splitlines()[0].split(":")[0])
no_limit()
print(play(brief) == before)
"""
    )
    assert lines == ["memory ran out", "True"]


@pytest.mark.parametrize(
    ("message", "needed"),
    [
        ("CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 79.11 GiB", 5 << 29),
        (
            "[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate memory: you tried to allocate "
            "1048576 bytes. Error code 12 (Cannot allocate memory)",
            1 << 20,
        ),
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", 0),
    ],
)
def test_what_torch_says_when_memory_runs_out(message: str, needed: int) -> None:
    assert is_out_of_memory(RuntimeError(message))
    assert requested_bytes(message) == needed
