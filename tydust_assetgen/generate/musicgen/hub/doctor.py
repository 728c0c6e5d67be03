"""What MusicGen finds here and what it lacks. In walks nothing, out walk rows of words for `assetgen doctor`.

torch is never imported here: its devices are asked for in a child process, with a time limit.
"""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

from tydust_assetgen.generate.musicgen.spec import checkpoint, models, requirements
from tydust_assetgen.generate.musicgen.spec.requirements import CLAP, DEMUCS, clap_folder, separator_file, text_folder

INSTALL = 'uv pip install ".[musicgen]"'
_LIBRARIES = ("torch", "torchaudio", "audiocraft", "transformers", "huggingface_hub", "demucs")
_PATIENCE_S = 60
_ASK = """
import torch
for index in range(torch.cuda.device_count()):
    about = torch.cuda.get_device_properties(index)
    free, total = torch.cuda.mem_get_info(index)
    print(f"{about.name}, {total / 2**30:.0f} GiB, {free / 2**30:.0f} GiB of it free")
"""


def examine() -> dict[str, str]:
    """Rows: versions, devices, models, and what they need, each with the line that mends what is missing."""
    rows = {name: version(name) or f"missing: {INSTALL}" for name in _LIBRARIES}
    rows["CUDA"] = cuda(installed=bool(version("torch")))
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


def version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


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
