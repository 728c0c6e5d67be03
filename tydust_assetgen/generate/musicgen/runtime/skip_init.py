"""Builds models without drawing initial values, because the real weights follow.

Drawing values that are then thrown away takes longer than reading the true ones. On torch's device `meta` nothing is
drawn either, but some of torch's initialisers load its compiler there to find that out.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_RANDOM_INITIALISERS = frozenset({"kaiming_uniform_", "normal_", "trunc_normal_", "uniform_", "xavier_uniform_"})
_ALL_INITIALISERS = _RANDOM_INITIALISERS | {"add_", "clamp_", "erfinv_", "fill_", "mul_", "zero_"}


@contextlib.contextmanager
def without_initialising() -> Iterator[None]:
    """While it lasts, nothing is drawn: tensors hold what lay in their memory."""
    with _SkippedCalls(_RANDOM_INITIALISERS):
        yield


@contextlib.contextmanager
def on_meta_device() -> Iterator[None]:
    """While it lasts, tensors are made without memory, and nothing is filled that has no values."""
    with torch.device("meta"), _SkippedCalls(_ALL_INITIALISERS):
        yield


class _SkippedCalls(TorchFunctionMode):  # type: ignore[misc]
    """Functions that change a tensor's values and nothing else are not called."""

    def __init__(self, names: frozenset[str]) -> None:
        super().__init__()
        self._names = names

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: Any = (), named: Mapping[str, Any] | None = None
    ) -> Any:
        del types
        named = named or {}
        if getattr(function, "__name__", "") in self._names:
            return args[0] if args else named["tensor"]
        return function(*args, **named)
