"""Lets pydub encode or decode one sound, in a process of its own that `pydub_client` starts and limits.

pydub waits for ffmpeg without a time limit, and leaves temporary files behind when it fails or is interrupted. Here
both are somebody's business: the files lie in a folder that is removed, and when whoever asked is gone, so is this
process, its ffmpeg and its folder.
"""

from __future__ import annotations

import io
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import warnings
from typing import Any

import msgspec


class Samples(msgspec.Struct, frozen=True, kw_only=True):
    """What integer samples are: little-endian, interleaved."""

    width_bytes: int
    rate_hz: int
    channels: int


class EncodeJob(msgspec.Struct, frozen=True, kw_only=True, tag="encode"):
    """Samples come in, a file goes out."""

    samples: Samples
    format: str
    """ffmpeg's name of the container."""
    codec: str
    kbps: int
    options: tuple[str, ...] = ()


class DecodeJob(msgspec.Struct, frozen=True, kw_only=True, tag="decode"):
    """A file comes in, `Samples` and a line break and then the samples go out."""

    format: str
    """The only one that ffmpeg takes it for, so that no file makes it open another one."""
    max_duration_s: float


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """What a job may use."""

    job: EncodeJob | DecodeJob
    ffmpeg: str
    """Path of the program."""
    folder: str
    """For temporary files; it belongs to this process alone."""
    asked_by: int
    """The process that waits for the result."""
    max_bytes: int
    """Of each temporary file."""


_POLL_S = 0.1


def main(setting_json: str) -> int:
    """Do the job on standard input, write the result to standard output; what went wrong, to standard error."""
    setting = msgspec.json.decode(setting_json, type=Setting)
    tempfile.tempdir = setting.folder
    _limit_files(setting.max_bytes)
    threading.Thread(target=_end_with, args=(setting.asked_by, setting.folder), daemon=True).start()
    data = sys.stdin.buffer.read()
    pydub = _pydub()
    pydub.AudioSegment.converter = setting.ffmpeg
    job, segment = setting.job, pydub.AudioSegment
    try:
        result = _encoded(segment, job, data) if isinstance(job, EncodeJob) else _decoded(segment, job, data)
    except (pydub.exceptions.PydubException, OSError, EOFError) as error:
        sys.stderr.write(str(error))
        return 1
    sys.stdout.buffer.writelines(result)
    return 0


def _encoded(segment: Any, job: EncodeJob, data: bytes) -> list[bytes]:
    kind = job.samples
    sound = segment(data, sample_width=kind.width_bytes, frame_rate=kind.rate_hz, channels=kind.channels)
    made = sound.export(
        io.BytesIO(), format=job.format, codec=job.codec, bitrate=f"{job.kbps}k", parameters=[*job.options]
    )
    return [made.getvalue()]


def _decoded(segment: Any, job: DecodeJob, data: bytes) -> list[bytes]:
    """By way of temporary files: through pipes pydub asks ffprobe first, which not every ffmpeg comes with."""
    sound = segment.from_file_using_temporary_files(io.BytesIO(data), format=job.format, duration=job.max_duration_s)
    kind = Samples(width_bytes=sound.sample_width, rate_hz=sound.frame_rate, channels=sound.channels)
    return [msgspec.json.encode(kind) + b"\n", sound.raw_data]


def _pydub() -> Any:
    """pydub, without its warnings: it looks for ffmpeg, and compiles old string escapes, when it is imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pydub
    return pydub


def _limit_files(max_bytes: int) -> None:
    """No file of this process, nor of the ffmpeg that it starts, grows larger. Windows has no such limit."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (max_bytes, max_bytes))


def _end_with(asked_by: int, folder: str) -> None:
    """Wait until the process that asked is gone; then remove the folder, and end with everything that was started."""
    while os.getppid() == asked_by:
        time.sleep(_POLL_S)
    while os.path.isdir(folder):
        shutil.rmtree(folder, ignore_errors=True)
    if sys.platform != "win32":
        os.killpg(os.getpgid(0), signal.SIGKILL)
    os._exit(1)
