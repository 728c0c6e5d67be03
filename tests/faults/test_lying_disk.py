"""A disk that fails at its n-th call, for every n: afterwards old or new, never half, and the next build heals."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Game

from tydust_assetgen import system
from tydust_assetgen.errors import AssetgenError
from tydust_assetgen.system import TEMPORARY_PREFIX

CALLS = ("open", "write", "fsync", "replace", "close", "makedirs")


class LyingDisk:
    """Stands for the `os` module in `disk`: the real one, but for its n-th writing call, which fails."""

    def __init__(self, fail_at: int) -> None:
        self.calls = 0
        self.fail_at = fail_at

    def __getattr__(self, name: str) -> object:
        real = getattr(os, name)
        return self._counted(name, real) if name in CALLS else real

    def _counted(self, name: str, real: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **more: object) -> object:
            self.calls += 1
            if self.calls == self.fail_at:
                if name == "close":
                    real(*arguments)
                if name == "write":  # half of it arrives
                    os.write(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])  # type: ignore
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(*arguments, **more)

        return call


def calls_of(action: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> int:
    honest = LyingDisk(0)
    with monkeypatch.context() as patch:
        patch.setattr(system, "os", honest)
        action()
    return honest.calls


def test_write_atomic_leaves_old_or_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    old, new = b"old" * 1000, b"new" * 2000
    total = calls_of(lambda: system.write_atomic(path, new), monkeypatch)
    assert total >= 8
    for fail_at in range(1, total + 1):
        path.write_bytes(old)
        with monkeypatch.context() as patch:
            patch.setattr(system, "os", LyingDisk(fail_at))
            with pytest.raises(OSError, match="No space"):
                system.write_atomic(path, new)
        assert path.read_bytes() in (old, new)
        assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_build_on_a_failing_disk_never_leaves_half(game: Game, monkeypatch: pytest.MonkeyPatch) -> None:
    """The build's own writing (publishing, lock file, state) fails at every single call in turn."""
    prompts = {"a.wav": "first", "b.wav": "second"}
    game.slots(prompts)
    game.build()
    right = game.digests()
    lock = game.project.lock_file.read_bytes()

    def build_from_store() -> None:
        for path in prompts:
            game.path(path).unlink(missing_ok=True)
        game.project.lock_file.unlink(missing_ok=True)
        game.build()

    total = calls_of(build_from_store, monkeypatch)
    assert total >= 20
    for fail_at in range(1, total + 1):
        with monkeypatch.context() as patch:
            patch.setattr(system, "os", LyingDisk(fail_at))
            with contextlib.suppress(AssetgenError):  # the whole build may fail, but only in words
                build_from_store()
        assert game.digests().items() <= right.items(), f"half a file after call {fail_at}"
        assert game.build().summary.failed == 0
        assert game.digests() == right
        assert game.project.lock_file.read_bytes() == lock
        assert not [path for path in game.root.rglob("*") if path.name.startswith(TEMPORARY_PREFIX)]
