"""Encodes and decodes through pydub and ffmpeg, within limits of time and size and without leaving a file behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile

import msgspec

from tydust_assetgen.codec.pydub_process import DecodeJob, EncodeJob, Samples, Setting
from tydust_assetgen.errors import CodecError

TIMEOUT_S = 300.0
"""Half an hour of stereo takes half a minute."""
MAX_BYTES = 1 << 30
_BOOT = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[2]);"
    "from tydust_assetgen.codec.pydub_process import main; sys.exit(main(sys.argv[1]))"
)
"""It sees the modules that we see, and not whatever lies in the current folder."""


def encode(samples: bytes, job: EncodeJob, name: str) -> bytes:
    """A whole file, from interleaved little-endian integers.

    Args:
        name: of the format, for messages.

    Raises:
        CodecError: ffmpeg can't, and why.
    """
    return _run(job, samples, f"encode {name}")


def decode(file: bytes, job: DecodeJob, name: str) -> tuple[Samples, bytes]:
    """The samples of a whole file, and what they are.

    Raises:
        CodecError: it does not decode, and why.
    """
    kind, _, samples = _run(job, file, f"decode {name}").partition(b"\n")
    return msgspec.json.decode(kind, type=Samples), samples


def _run(job: EncodeJob | DecodeJob, data: bytes, what: str) -> bytes:
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        raise CodecError(f"ffmpeg could not {what}: there is none on the path")
    with tempfile.TemporaryDirectory(prefix="assetgen-", ignore_cleanup_errors=True) as folder:
        setting = Setting(job=job, ffmpeg=ffmpeg, folder=folder, asked_by=os.getpid(), max_bytes=MAX_BYTES)
        words = [sys.executable, "-c", _BOOT, _json(setting), _json(sys.path)]
        try:
            return _answer(words, data)
        except CodecError as error:
            raise CodecError(f"ffmpeg could not {what}: {error.problems[0].message}") from error


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _answer(words: list[str], data: bytes) -> bytes:
    """What a program answers, which is ended with all that it has started when it takes too long, or we are stopped."""
    process = subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        made, said = process.communicate(data, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise CodecError(f"it took more than {TIMEOUT_S:g} seconds") from None
    finally:
        _end(process)
    if process.returncode != 0:
        raise CodecError(last_line(said))
    return made


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def last_line(text: bytes) -> str:
    """Where programs say what went wrong."""
    lines = [line.strip() for line in text.decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it did not say why"
