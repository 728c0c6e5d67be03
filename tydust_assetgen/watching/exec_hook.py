"""Runs the command of `--exec` for each published file, one after the other.

A command is a list of arguments and runs without a shell, in a thread of its own: no build waits for it. When it fails
or takes too long, that is a warning.
"""

from __future__ import annotations

import contextlib
import os
import queue
import shlex
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tydust_assetgen import events
from tydust_assetgen.errors import UsageError

LIMIT_S = 60.0
_TAIL_BYTES = 2000
_HINT = "the command is that of `--exec`; it runs without a shell"


def command_of(text: str) -> tuple[str, ...]:
    """The argument list of a command line, with its placeholders.

    Raises:
        UsageError: it is empty, or a quote is not closed.
    """
    try:
        words = tuple(shlex.split(text.replace("\\", "\\\\") if os.name == "nt" else text))
    except ValueError as error:
        raise UsageError(f"`--exec` can't be read: {str(error).lower()}", hint="close the quotes") from None
    if not words:
        raise UsageError("`--exec` is empty", hint='such as `--exec "game-reload {slot} {path}"`')
    return words


@dataclass
class ExecHook:
    """Runs `command` for each published file, in `folder`. A context manager: leaving it ends what still runs."""

    command: tuple[str, ...]
    folder: Path
    tell: events.Emit
    limit_s: float = LIMIT_S
    _waiting: queue.SimpleQueue[tuple[str, str] | None] = field(default_factory=queue.SimpleQueue)
    _queued: set[tuple[str, str]] = field(default_factory=set)
    _running: subprocess.Popen[bytes] | None = None
    _over: bool = False

    def __enter__(self) -> ExecHook:
        self._thread = threading.Thread(target=self._work, daemon=True)
        if self.command:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        self._waiting.put(None)
        if self._running is not None:
            _end(self._running)
        if self._thread.is_alive():
            self._thread.join(1.0)

    def published(self, slot: str, path: Path) -> None:
        """A file is new. While the command for it waits already, once is enough."""
        one = (slot, str(path))
        if self.command and one not in self._queued:
            self._queued.add(one)
            self._waiting.put(one)

    def _work(self) -> None:
        while (one := self._waiting.get()) is not None and not self._over:
            self._queued.discard(one)
            self._run(*one)

    def _run(self, slot: str, path: str) -> None:
        words = [word.replace("{slot}", slot).replace("{path}", path) for word in self.command]
        begun = time.monotonic()
        with tempfile.TemporaryFile() as output:
            try:
                self._running = subprocess.Popen(
                    words,
                    cwd=self.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
                failure = self._failure(self._running)
            except (OSError, ValueError) as error:
                failure = getattr(error, "strerror", None) or str(error)
            finally:
                self._running = None
            if self._over:
                return None
            if failure:
                said = _tail(output)
                message = f"`{words[0]}` failed for `{slot}`: {failure}" + (f": {said}" if said else "")
                return self.tell(events.Warned(message=message, slot=slot, hint=_HINT))
        return self.tell(events.Ran(slot=slot, path=path, seconds=round(time.monotonic() - begun, 3)))

    def _failure(self, process: subprocess.Popen[bytes]) -> str:
        """Why it did not end well; empty when it did."""
        if self._over:  # asked to end while it was being started
            _end(process)
        try:
            code = process.wait(self.limit_s)
        except subprocess.TimeoutExpired:
            _end(process)
            return f"it was ended after {self.limit_s:g} s"
        return "" if code == 0 else f"exit code {code}" if code > 0 else f"killed by signal {-code}"


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it with all that it started."""
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def _tail(output: IO[bytes]) -> str:
    """The last line that was printed."""
    output.seek(max(0, output.seek(0, os.SEEK_END) - _TAIL_BYTES))
    lines = output.read().decode("utf-8", "replace").strip().splitlines()
    return "".join(letter for letter in lines[-1] if letter.isprintable()).strip() if lines else ""
