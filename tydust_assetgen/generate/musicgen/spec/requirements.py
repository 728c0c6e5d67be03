"""What a model needs besides its own two files and whether it is on this machine; devices and precisions.

The text encoder and a codec of the hub are taken as safetensors only. The stem separator of melody models is Demucs:
safetensors in the hub cache (demucs 4.1 and newer fetch that), or the file in torch's cache (demucs 4.0).
"""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Literal, TypeAlias

from tydust_assetgen.generate.musicgen.spec.checkpoint import Traits
from tydust_assetgen.generate.musicgen.spec.models import cached, hub_cache, torch_hub
from tydust_assetgen.generate.musicgen.spec.parameters import MusicGenParameters

DEMUCS = "adefossez/HTDemucs"
DEMUCS_FILES = ("htdemucs.yaml", "955717e8.safetensors")
DEMUCS_OLD = "955717e8-8726e21a.th"
TEXT_FILES = ("config.json", "model.safetensors")
CODEC_FILES = ("config.json", "model.safetensors")
CLAP = "laion/clap-htsat-unfused"
_CLAP_FILES = ("config.json", "preprocessor_config.json", "tokenizer.json", "model.safetensors")


@dataclass(frozen=True)
class Need:
    """One thing."""

    what: str
    """Such as `text encoder`."""
    name: str
    """Its repository on the hub."""
    here: Path | None
    fix: str
    """The command that fetches it."""


def needs(traits: Traits) -> tuple[Need, ...]:
    """All that a model needs besides its own files."""
    wanted = []
    if traits.text_encoder:
        wanted.append(text_encoder(traits.text_encoder))
    if traits.family == "melody":
        wanted.append(Need("stem separator", DEMUCS, separator_file(), f"assetgen models pull {DEMUCS}"))
    if traits.codec:
        wanted.append(
            Need("codec", traits.codec, cached(traits.codec, *CODEC_FILES), f"assetgen models pull {traits.codec}")
        )
    return tuple(wanted)


def text_encoder(name: str) -> Need:
    return Need("text encoder", name, text_folder(name), f"assetgen models pull {name}")


def text_folder(name: str) -> Path | None:
    """Where a T5 lies: its configuration, its weights as safetensors, and a tokenizer."""
    folder = cached(name, *TEXT_FILES)
    if folder and any((folder / file).is_file() for file in ("tokenizer.json", "spiece.model")):
        return folder
    return None


def separator_file() -> Path | None:
    """The one file of Demucs' weights, the safer format first."""
    folder = cached(DEMUCS, *DEMUCS_FILES)
    old = torch_hub() / DEMUCS_OLD
    return folder / DEMUCS_FILES[1] if folder else old if old.is_file() else None


Device: TypeAlias = Literal["cuda", "cpu"]
Precision: TypeAlias = Literal["fp32", "fp16", "bf16", "int8"]
PRECISIONS: dict[Device, tuple[Precision, ...]] = {"cpu": ("fp32", "bf16", "int8"), "cuda": ("fp16", "fp32", "bf16")}
"""What each device can play in."""
ROUNDED: tuple[Precision, ...] = ("bf16", "int8")
"""On a CPU only our own decoder plays in these, and they sound different from `fp32`."""
_DRIVERS = {"win32": "nvcuda.dll", "linux": "libcuda.so.1"}


@lru_cache(maxsize=1)
def cuda_devices() -> int:
    """How many CUDA devices the driver shows to this process; 0 also where torch was built without CUDA."""
    if sys.platform not in _DRIVERS or _torch_is_for_cpu():
        return 0
    try:
        driver = ctypes.CDLL(_DRIVERS[sys.platform])
        count = ctypes.c_int(0)
        well = driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0
    except (OSError, AttributeError):
        return 0
    return count.value if well else 0


def _torch_is_for_cpu() -> bool:
    try:
        return metadata.version("torch").endswith("+cpu")
    except metadata.PackageNotFoundError:
        return False


def device_for(parameters: MusicGenParameters) -> Device:
    """Where a track with these parameters is made: `auto` takes CUDA where there is a device."""
    if parameters.device == "auto":
        return "cuda" if cuda_devices() else "cpu"
    return parameters.device


def precision_for(device: Device, asked: Literal["auto"] | Precision) -> Precision:
    """`auto` is half precision on CUDA, as audiocraft has it, and full precision on a CPU."""
    if asked == "auto":
        return "fp16" if device == "cuda" else "fp32"
    return asked


def refusal(device: Device, asked: Literal["auto"] | Precision) -> tuple[str, str]:
    """Why a device can't play in a precision, and a hint; both empty when it can."""
    if precision_for(device, asked) in PRECISIONS[device]:
        return "", ""
    what = "a CPU" if device == "cpu" else "a GPU"
    return f"{what} can't play in `{asked}`", '`precision = "auto"` takes fp32 on a CPU, and fp16 on a GPU'


def clap_folder() -> Path | None:
    """The folder of a CLAP model that can be used: the revision that `main` names if it can, else the first by name."""
    home = hub_cache() / f"models--{CLAP.replace('/', '--')}"
    usable = [
        folder for folder in sorted(home.glob("snapshots/*")) if all((folder / name).is_file() for name in _CLAP_FILES)
    ]
    main = home / "refs" / "main"
    named = main.read_text(errors="replace").strip() if main.is_file() else ""
    return next((folder for folder in usable if folder.name == named), usable[0] if usable else None)
