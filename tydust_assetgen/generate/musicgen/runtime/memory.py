"""Keeps the loaded model, and tries again with less when memory runs out."""

from __future__ import annotations

import gc
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypeVar

from tydust_assetgen.errors import GenerationError, UnavailableError
from tydust_assetgen.generate.musicgen.spec.requirements import ROUNDED, Device, Precision

if TYPE_CHECKING:
    from tydust_assetgen.generate.musicgen.decoder.engine import Transformer
    from tydust_assetgen.generate.musicgen.runtime.load import Model
    from tydust_assetgen.generate.musicgen.spec.models import Source

Result = TypeVar("Result")

_OUT_OF_MEMORY = re.compile(
    r"out of memory|DefaultCPUAllocator|not enough memory|can(?:'|no)t allocate memory|bad_alloc|ALLOC_FAILED",
    re.IGNORECASE,
)
_VAGUE = re.compile(r"could not (create|execute) a (primitive|memory)")
"""oneDNN's message for many things, a lack of memory among them."""
_SCARCE_BYTES = 256 << 20
_REQUESTED = re.compile(r"tr(?:ied|ying) to allocate (?P<number>[\d.]+) ?(?P<unit>bytes|[KMGT]i?B)", re.IGNORECASE)
_UNITS = {"b": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_SHARE = {"cpu": 0.5, "cuda": 0.8}
"""Of the free memory, for keys and values: the rest is for other workers, or for the codec."""
_BEFORE = 300
"""Columns of conditions that may stand before the codes."""
_SMALLER = {
    "large": "medium",
    "medium": "small",
    "melody-large": "melody",
    "stereo-large": "stereo-medium",
    "stereo-medium": "stereo-small",
    "stereo-melody-large": "stereo-melody",
    "stereo-melody": "melody",
}


class ModelCache:
    """Holds the model that was used last: a build makes its tracks model by model, so each is loaded once."""

    def __init__(self) -> None:
        self._loaded: tuple[tuple[object, ...], Model] | None = None

    def model(self, source: Source, *, device: Device, precision: Literal["auto"] | Precision) -> Model:
        """The model of that source. Another one that was loaded is unloaded first, so that there are never two.

        Raises:
            AssetgenError: it can't be loaded, or not be used in that precision.
        """
        from tydust_assetgen.generate.musicgen.runtime.load import load
        from tydust_assetgen.generate.musicgen.spec.checkpoint import fingerprint

        assert source.folder is not None
        wanted = (source, fingerprint(source.folder), device, precision)
        if self._loaded is None or self._loaded[0] != wanted:
            self.unload()
            loaded = load(source, device=device, precision=precision, as_stored=True)
            network, reason = _network(loaded)
            self._loaded = (wanted, replace(loaded, network=network, refused=reason))
        return self._loaded[1]

    def unload(self) -> None:
        """Forget the model, and give back its memory."""
        self._loaded = None
        free()


def _network(model: Model) -> tuple[Transformer | None, str]:
    """Our own decoder over a model, or `None` where audiocraft decodes, and why.

    Raises:
        UnavailableError: only our decoder supports that precision, and it does not know the model.
    """
    from tydust_assetgen.generate.musicgen.decoder import build_transformer

    network, reason = build_transformer(model.musicgen.lm, model.precision)
    if network is None and model.device == "cpu" and model.precision in ROUNDED:
        what = f"a CPU can't play `{model.source.name}` in `{model.precision}`: {reason}"
        raise UnavailableError(what, hint='use `precision = "fp32"`')
    return network, reason


def free() -> None:
    """Give back all memory that nothing uses any more."""
    import torch

    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def retry_on_out_of_memory(
    work: Callable[[int], Iterator[Result]], *, device: str, model: str, free_memory: Callable[[], None] = free
) -> Iterator[Result]:
    """What `work` yields. When memory runs out, memory is freed and what is left is tried once more.

    Args:
        work: called with 1, and after a failure with 2, when it should be modest and give what is still to come.
        device: `cuda` or `cpu`, for the message.
        model: as the manifest names it, for the message.
        free_memory: frees what can be freed.

    Raises:
        GenerationError: memory ran out twice.
    """
    for attempt in (1, 2):
        try:
            yield from work(attempt)
        except (RuntimeError, MemoryError, OSError, GenerationError) as error:
            if not is_out_of_memory(error) and not (error.__cause__ and is_out_of_memory(error.__cause__)):
                raise
            needed = requested_bytes(str(error))
        else:
            return
        free_memory()  # out here, where the error no longer holds what was made so far
    raise GenerationError(_out_of_memory_message(needed, device), hint=_advice(model, device))


def rows_that_fit(network: Transformer, frames: int) -> int:
    """How many tracks a network can decode at once in the memory that is free now, at least one.

    Args:
        network: what decodes them; it holds no memory for others.
        frames: of their longest window.
    """
    kind = network.device.type
    share = _SHARE[kind]
    free_now = free_bytes(kind) * share
    row = network.row_bytes(frames + network.shape.max_delay + 1 + _BEFORE)
    return max(min(int(free_now / row), network.max_rows), 1) if free_now else 1


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError) or _OUT_OF_MEMORY.search(str(error)):
        return True
    return bool(_VAGUE.search(str(error))) and free_bytes("cpu") < _SCARCE_BYTES


def requested_bytes(message: str) -> int:
    """How much was asked for when memory ran out; 0 where the message does not say."""
    found = _REQUESTED.search(message)
    return round(float(found["number"]) * _UNITS[found["unit"][0].lower()]) if found else 0


def free_bytes(device: str) -> int:
    """How much memory is free; 0 when that is not known."""
    if device == "cuda":
        import torch

        kept = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()  # by torch, for what it makes next
        return int(torch.cuda.mem_get_info()[0] + kept)
    limits = [each for each in (_available(), _under_limit()) if each is not None]
    return max(min(limits), 0) if limits else 0


def _available() -> int | None:
    """Linux says what a program can have; elsewhere it is not known."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            found = next(line for line in lines if line.startswith("MemAvailable:"))
        return int(found.split()[1]) * 1024
    except (OSError, StopIteration, ValueError):
        return None


def _under_limit() -> int | None:
    """What is left of the address space that the process may have."""
    try:
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        with open("/proc/self/statm", encoding="ascii") as pages:
            used = int(pages.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        return None if limit == resource.RLIM_INFINITY else limit - used
    except (ImportError, OSError, ValueError):
        return None


def _out_of_memory_message(needed: int, device: str) -> str:
    where = "GPU memory" if device == "cuda" else "memory"
    details = [f"{_size(needed)} more were needed"] if needed else []
    left = free_bytes(device)
    details += [f"{_size(left)} are free"] if left else []
    return f"{where} ran out" + (f": {', '.join(details)}" if details else "")


def _advice(model: str, device: str) -> str:
    name = model.rsplit("/", 1)[-1].removeprefix("musicgen-")
    smaller = _SMALLER.get(name, "")
    first = f'try `model = "{smaller}"`' if smaller else "try a smaller model"
    elsewhere = ', or `device = "cpu"`' if device == "cuda" else ""
    return f"{first}, a shorter duration{elsewhere}"


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"
