"""What there is to compute on, and how finely, without torch. In walk parameters, out walk `cuda` or `cpu`, and `fp32`
or another precision."""

from __future__ import annotations

import ctypes
import sys
from functools import lru_cache
from importlib import metadata
from typing import Literal, TypeAlias

from tydust_assetgen.generate.musicgen.parameters import MusicGenParameters

Kind: TypeAlias = Literal["cuda", "cpu"]
Precision: TypeAlias = Literal["fp32", "fp16", "bf16", "int8"]
PRECISIONS: dict[Kind, tuple[Precision, ...]] = {"cpu": ("fp32", "bf16", "int8"), "cuda": ("fp16", "fp32", "bf16")}
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


def kind(parameters: MusicGenParameters) -> Kind:
    """Where a track with these parameters is made: `auto` takes CUDA where there is a device."""
    if parameters.device == "auto":
        return "cuda" if cuda_devices() else "cpu"
    return parameters.device


def precision_on(device: Kind, asked: Literal["auto"] | Precision) -> Precision:
    """`auto` is half precision on CUDA, as audiocraft has it, and full precision on a CPU."""
    if asked == "auto":
        return "fp16" if device == "cuda" else "fp32"
    return asked


def refusal(device: Kind, asked: Literal["auto"] | Precision) -> tuple[str, str]:
    """Why a device can't play in a precision, and a hint; both empty when it can."""
    if precision_on(device, asked) in PRECISIONS[device]:
        return "", ""
    what = "a CPU" if device == "cpu" else "a GPU"
    return f"{what} can't play in `{asked}`", '`precision = "auto"` takes fp32 on a CPU, and fp16 on a GPU'
