"""Tiny checkpoints that are made once for a whole run of the tests, in caches of their own, away from the real ones.

Import this before anything of Hugging Face: its libraries read the environment when they are imported. Also for tests
in other folders: `from tests.generate.musicgen.caches import checkpoint`.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tydust_assetgen.generate.musicgen.runtime.audiocraft_imports import prepare

if TYPE_CHECKING:
    from tests.generate.musicgen.checkpoints import Checkpoint, Kind

INSTALLED = all(importlib.util.find_spec(name) is not None for name in ("torch", "audiocraft"))
ROOT = Path(tempfile.mkdtemp(prefix="assetgen-checkpoints-"))
HF_HOME, TORCH_HOME, GUARD = ROOT / "hf", ROOT / "torch_home", ROOT / "guard"
SEGMENT_S = 4.0
"""Windows of the tiny models: short, so that a track of some seconds already needs several."""

ENVIRONMENT = {
    "HF_HOME": str(HF_HOME),
    "TORCH_HOME": str(TORCH_HOME),
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}
os.environ.update(ENVIRONMENT)
atexit.register(shutil.rmtree, ROOT, ignore_errors=True)

SITECUSTOMIZE = '''"""Of the tests: a process that reaches for a network fails."""
import socket

_connect = socket.socket.connect


def connect(self, address):
    if self.family in (socket.AF_INET, socket.AF_INET6) and not loopback(str(address[0])):
        raise AssertionError(f"a test reached for the network: {address}")
    return _connect(self, address)


def loopback(host):
    return host.startswith("127.") or host in ("localhost", "::1")


socket.socket.connect = connect
'''
if INSTALLED:
    prepare()  # so that it does not matter which test imports audiocraft first
GUARD.mkdir()
(GUARD / "sitecustomize.py").write_text(SITECUSTOMIZE)


@cache
def checkpoint(kind: Kind = "t5", segment_s: float = SEGMENT_S, seed: int = 0) -> Checkpoint:
    """A tiny checkpoint, made at the first call."""
    from tests.generate.musicgen.checkpoints import make

    folder = ROOT / f"tiny-{kind}-{segment_s:g}s-{seed}"
    return make(folder, kind=kind, segment_s=segment_s, seed=seed, hf_home=HF_HOME, torch_home=TORCH_HOME)
