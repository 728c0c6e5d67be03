"""Says why a library can't be imported here, and what mends it: for `assetgen doctor` and for builds.

`try_imports` tries in a child process, because a broken library can end a process, too. `explained` turns an import
that fails in the middle of a build into the same words.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata, util
from types import TracebackType
from typing import NamedTuple, TextIO

from tydust_assetgen.errors import UnavailableError

INSTALL = 'uv pip install ".[musicgen]"'
USED = {
    "torch": ("torch",),
    "torchaudio": ("torchaudio.transforms",),
    "audiocraft": ("tydust_assetgen.generate.musicgen.runtime.audiocraft_imports:prepare",),
    "transformers": (
        "transformers.models.t5.modeling_t5",
        "transformers.models.encodec.modeling_encodec",
        "transformers.models.clap.modeling_clap",
    ),
    "huggingface_hub": ("huggingface_hub.file_download",),
    "demucs": ("demucs.htdemucs", "demucs.apply", "demucs.states"),
    "librosa": ("librosa.filters",),
    "numba": ("numba",),
}
"""What MusicGen imports of each library; after a colon stands a function that imports the rest. A library's own name is
not always enough: transformers loads its parts only when they are asked for."""


class Broken(NamedTuple):
    """A library that can't be imported, and why. It may be another one than was asked for: one that it imports."""

    library: str
    why: str


_PATIENCE_S = 120
_ABSENT = "No module named "
_CHILD = """
import os, sys
names, sys.path[:] = __import__("json").loads(sys.argv[1]), sys.argv[2:]
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what a library prints must not get between the answers
from tydust_assetgen.generate.musicgen.spec.import_check import answer
answer(names, answers)
os._exit(0)
"""


def try_imports(modules: Mapping[str, Sequence[str]]) -> dict[str, Broken | None]:
    """Import modules in a child process.

    Args:
        modules: of each library, as in `USED`.

    Returns:
        For each library what is broken; `None` where nothing is.
    """
    words = [sys.executable, "-c", _CHILD, json.dumps(dict(modules)), *sys.path]
    try:
        done = subprocess.run(words, capture_output=True, timeout=_PATIENCE_S, check=False)
        told, end = done.stdout, _end_of(done.returncode)
    except subprocess.TimeoutExpired as error:
        told, end = error.stdout or b"", f"importing it takes longer than {_PATIENCE_S} s"
    found = {name: Broken(*broken) if broken else None for name, broken in map(json.loads, told.decode().splitlines())}
    if len(found) < len(modules):  # the process ended before its time
        at_work = next(name for name in modules if name not in found)
        found[at_work] = Broken(at_work, end)
    return {name: found.get(name) for name in modules}


def _end_of(code: int) -> str:
    return f"importing it ends the process with {f'signal {-code}' if code < 0 else f'code {code}'}"


def answer(modules: Mapping[str, Sequence[str]], file: TextIO) -> None:
    """What the child process does."""
    warnings.simplefilter("ignore")
    for library, names in modules.items():
        broken = None
        try:
            for name, _, function in (each.partition(":") for each in names):
                module = importlib.import_module(name)
                getattr(module, function)() if function else None
        except BaseException as error:  # noqa: BLE001  whatever a broken library raises
            broken = Broken(_culprit(error) or library, reason(error))
        file.write(json.dumps([library, broken]) + "\n")
        file.flush()


def problem(broken: Broken) -> UnavailableError:
    """A library that can't be imported, as doctor and a build say it."""
    library, why = broken
    if not _installed(library):
        return UnavailableError(f"`{library}` is not installed", hint=INSTALL)
    name = f"`{library}` {version(library)}".strip()
    beside = f" beside `torch` {version('torch')}" if library == "torchaudio" else ""
    hint = INSTALL if why.startswith(_ABSENT) else _mending_line(library)
    return UnavailableError(f"{name} can't be imported{beside}: {why}", hint=hint)


def version(library: str) -> str:
    """Of what is installed; empty where it is not."""
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return ""


def _installed(library: str) -> bool:
    try:
        return util.find_spec(library) is not None
    except (ImportError, ValueError):  # what stands in its place has no description of itself
        return True


def _mending_line(library: str) -> str:
    """The command that makes an installed library importable."""
    if library == "torchaudio":
        return f'uv pip install "torchaudio{_fitting(version("torch"))}"'
    return f"uv pip install --reinstall {metadata.packages_distributions().get(library, [library])[0]}"


def _fitting(torch: str) -> str:
    """Which torchaudio loads with a version of torch (tried: docs/dependencies.md)."""
    found = re.match(r"(\d+)\.(\d+)", torch)
    return "==2.11.0" if found and (int(found[1]), int(found[2])) < (2, 13) else ">=2.11.1"


_known: dict[str, UnavailableError] = {}
"""What this process has seen. A second try often fails in another way: half of the library is in memory by then."""


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """An import that fails while this lasts is reported in the words of `problem`.

    Raises:
        UnavailableError: a library can't be imported.
    """
    try:
        yield
    except Exception as error:
        library = _culprit(error)
        if not library:
            raise
        raise _known.setdefault(library, problem(Broken(library, reason(error)))) from error


def _culprit(error: BaseException) -> str:
    """The library that is missing, or whose import raised an error; empty when the error is of another kind."""
    missing = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    if missing and not _installed(missing):
        return missing
    under_way = [module.partition(".")[0] for module in _imported_meanwhile(error.__traceback__)]
    return next((name for name in reversed(under_way) if name not in ("tydust_assetgen", "__main__")), "")


def _imported_meanwhile(trace: TracebackType | None) -> Iterator[str]:
    """Modules whose import was under way when an error was raised, the innermost last."""
    while trace is not None:
        if trace.tb_frame.f_code.co_name == "<module>":
            yield str(trace.tb_frame.f_globals.get("__name__", ""))
        trace = trace.tb_next


def reason(error: BaseException) -> str:
    """What an error says, in one line of at most 200 characters: its cause knows more than what was made of it."""
    while error.__cause__ is not None:
        error = error.__cause__
    first = next(iter(str(error).strip().splitlines()), "")
    short = re.sub(r"(?:/[^/\s:]+)+/(?=[^/\s:])", "", first)[:200]
    return short if short and isinstance(error, ImportError | OSError) else f"{type(error).__name__}: {short}"
