"""What MusicGen finds on this machine and what it lacks, in rows of words for `assetgen doctor`.

torch is never imported here: its devices are asked for in a child process, with a time limit.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tydust_assetgen.errors import UnavailableError
from tydust_assetgen.generate.musicgen.spec import checkpoint, models, requirements
from tydust_assetgen.generate.musicgen.spec.import_check import INSTALL, Broken, problem, version
from tydust_assetgen.generate.musicgen.spec.requirements import CLAP, DEMUCS, clap_folder, separator_file, text_folder

_PATIENCE_S = 60
_ASK = """
import torch
for index in range(torch.cuda.device_count()):
    about = torch.cuda.get_device_properties(index)
    free, total = torch.cuda.mem_get_info(index)
    print(f"{about.name}, {total / 2**30:.0f} GiB, {free / 2**30:.0f} GiB of it free")
"""


def examine(tried: Mapping[str, Broken | None]) -> dict[str, str]:
    """Rows: versions, devices, models, and what they need, each with the line that mends what is missing.

    Args:
        tried: what is broken of each library, as `import_check.try_imports` gives it.
    """
    rows = {name: _library(name, broken) for name, broken in tried.items()}
    rows["CUDA"] = cuda(installed=not tried["torch"])
    rows |= {f"model {source.repository}": _model(source.folder) for source in models.all_here() if source.folder}
    if not any(name.startswith("model ") for name in rows):
        rows["models"] = "none in the hub cache: assetgen models pull medium"
    rows["text encoder"] = "t5-base" if text_folder("t5-base") else "t5-base missing: assetgen models pull t5-base"
    rows["stem separator"] = (
        separator.name
        if (separator := separator_file())
        else f"missing (only melody models need it): assetgen models pull {DEMUCS}"
    )
    rows["text match"] = (
        CLAP
        if clap_folder()
        else f"missing (only choosing among takes uses it): assetgen models pull {CLAP}, or see docs/takes.md"
    )
    return rows


def _library(name: str, broken: Broken | None) -> str:
    if not version(name):
        return f"missing: {INSTALL}"
    return said(problem(broken)) if broken else version(name)


def lacking(tried: Mapping[str, Broken | None]) -> str:
    """The first library that can't be imported, and the line that mends it; empty when all can."""
    return next((said(problem(broken)) for broken in tried.values() if broken), "")


def said(error: UnavailableError) -> str:
    """An error in one line."""
    first = error.problems[0]
    return f"{first.message}: {first.hint}"


def cuda(*, installed: bool) -> str:
    """Which devices torch can use."""
    count = requirements.cuda_devices()
    if not count:
        return "no device: tracks are made on the CPU, at some minutes for each"
    if not installed:
        return f"{count} in the driver; torch, which uses them, is missing: {INSTALL}"
    try:
        done = subprocess.run(
            [sys.executable, "-c", _ASK], capture_output=True, text=True, timeout=_PATIENCE_S, check=True
        )
    except subprocess.TimeoutExpired:
        return f"{count} in the driver; torch did not answer within {_PATIENCE_S} s: nvidia-smi says who uses them"
    except (subprocess.CalledProcessError, OSError) as error:
        last = str(getattr(error, "stderr", "") or error).strip().splitlines()[-1:]
        return f"{count} in the driver; torch can't use them: {''.join(last)[:200]}"
    return "; ".join(done.stdout.split("\n")).strip("; ") or f"{count} in the driver; torch sees none: {INSTALL}"


def _model(folder: Path) -> str:
    """One model in the cache: its commit and size, or what is wrong with it."""
    reason = checkpoint.refusal(folder)
    return f"can't be used: {reason}" if reason else f"{folder.name[:12]}, {size_of(folder) / 1e9:.1f} GB, ok"


def size_of(folder: Path) -> int:
    """Bytes of both files."""
    return sum((folder / name).stat().st_size for name in models.WEIGHTS)
