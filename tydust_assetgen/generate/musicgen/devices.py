"""What there is to compute on, without torch. In walk parameters, out walks `cuda` or `cpu`."""

from __future__ import annotations

import ctypes
import sys
from functools import lru_cache
from importlib import metadata
from typing import Literal, TypeAlias

from tydust_assetgen.generate.musicgen.parameters import MusicGenParameters

Kind: TypeAlias = Literal["cuda", "cpu"]
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
