"""Parse the command line, call the command, and turn whatever is raised into one message and one exit code."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from types import FrameType

from tydust_assetgen.cli.parser import parser
from tydust_assetgen.cli.terminal import redacted, say
from tydust_assetgen.errors import AssetgenError
from tydust_assetgen.system.safe_folder import SafeFolder


def run(words: list[str]) -> int:
    """Run one command and return its exit code."""
    for name in ("SIGTERM", "SIGHUP"):  # Windows has no SIGHUP
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _interrupt)
    try:
        arguments = parser().parse_args(words)
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except SystemExit as stop:  # argparse has printed what is wrong, or its help
        return int(stop.code or 0)
    except AssetgenError as error:
        return _print_error(error)
    except BrokenPipeError:
        _silence_stdout()
        return 1
    except KeyboardInterrupt:
        raise
    except OSError as error:
        _flush_or_silence_stdout()
        what = f"{error.strerror or error}" + (f": `{error.filename}`" if error.filename else "")
        return _print_error(AssetgenError(what, hint="is the disk full, or a folder read-only or gone?"))
    except UnicodeEncodeError as error:
        return _print_unwritable(error)
    except Exception:  # noqa: BLE001  the last net: a traceback never reaches a user
        return _print_bug(traceback.format_exc())
    return code


def _interrupt(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise KeyboardInterrupt


def _print_error(error: AssetgenError) -> int:
    for problem in error.problems:
        say(f"error: {problem}")
    return error.exit_code


def _print_unwritable(error: UnicodeEncodeError) -> int:
    """A letter that names of files can't have here. Linux gives Python such a system with `LC_ALL=C`, if its own ways
    out are turned off."""
    if sys.getfilesystemencoding() in ("utf-8", "utf8"):
        return _print_bug(traceback.format_exc())
    letter = error.object[error.start]
    what = f"names of files can't hold `{letter}` here: the locale is {error.encoding}"
    return _print_error(AssetgenError(what, hint="set `PYTHONUTF8=1`, or a locale such as `LC_ALL=C.UTF-8`"))


def _print_bug(trace: str) -> int:
    log = _keep(trace, Path(".assetgen")) or _keep(trace, _own_temporary_folder()) or Path("nowhere")
    say(f"error: this is our own bug, not yours; its traceback is in `{log}`")
    say(f"  hint: please report it with that file: {trace.strip().splitlines()[-1]}")
    return 3


def _keep(trace: str, folder: Path | None) -> Path | None:
    """Write a traceback where a person can find it, if that is possible."""
    if folder is None:
        return None
    with contextlib.suppress(OSError, AssetgenError):
        SafeFolder(folder).write("logs/assetgen-bug.log", redacted(trace).encode("utf-8", "backslashreplace"))
        return folder / "logs" / "assetgen-bug.log"
    return None


def _own_temporary_folder() -> Path | None:
    """One that nobody else can write to, where the project's own can't be written."""
    with contextlib.suppress(OSError):
        return Path(tempfile.mkdtemp(prefix="assetgen-"))
    return None


def _flush_or_silence_stdout() -> None:
    """Where stdout itself is what fails, Python would try once more when it ends, and complain."""
    try:
        sys.stdout.flush()
    except OSError:
        _silence_stdout()


def _silence_stdout() -> None:
    """The reader is gone (`assetgen status | head`): nothing more can be said, also not at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
