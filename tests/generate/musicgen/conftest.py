"""Tiny real-format checkpoints for the tests of MusicGen, and a guard: no test and no worker reaches for a network."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.generate.musicgen import caches

if TYPE_CHECKING:
    from tests.generate.musicgen.checkpoints import Checkpoint, Kind

_connect = socket.socket.connect


@pytest.fixture(scope="session", autouse=True)
def _no_network() -> Iterator[None]:
    """A test that reaches for a network fails, and so does a worker process that one starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", _connect_here_only)
        patch.setenv("PYTHONPATH", str(caches.GUARD) + os.pathsep + os.environ.get("PYTHONPATH", ""))
        yield


def _connect_here_only(self: socket.socket, address: Any) -> None:
    if self.family in (socket.AF_INET, socket.AF_INET6):
        host = str(address[0])
        assert host.startswith("127.") or host in ("localhost", "::1"), f"a test reached for the network: {address}"
    _connect(self, address)


def _tiny(kind: Kind) -> Checkpoint:
    if not caches.INSTALLED:
        pytest.skip("the extra `musicgen` is not installed")
    return caches.checkpoint(kind)


@pytest.fixture(scope="session")
def tiny_t5() -> Checkpoint:
    """Text through a T5, mono, windows of 4 s."""
    return _tiny("t5")


@pytest.fixture(scope="session")
def tiny_stereo() -> Checkpoint:
    """As `tiny_t5`, with 8 codebooks."""
    return _tiny("stereo")


@pytest.fixture(scope="session")
def tiny_melody() -> Checkpoint:
    """Text and chroma prepended."""
    return _tiny("melody")
