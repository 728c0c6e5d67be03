"""Compiled loops: how numba compiles them, once for a machine, and the few instructions that it is told by name.

In walk a row's place in memory and where to read in it, out walks what LLVM makes of that. `integers` and `halves`
build their innermost loops of these.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import llvmlite.binding
import numba
import torch
from llvmlite import ir
from numba.core import cgutils

_THREADS = torch.get_num_threads()
NUMBER = ir.IntType(32)
FEATURES = llvmlite.binding.get_host_cpu_features()
"""What this CPU can, by LLVM's names."""
Array: TypeAlias = Any
"""Of numpy."""


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """By numba when it is first called, and kept for the next process where there is a folder to keep it in."""

    def made(function: Callable[..., Any]) -> Any:
        try:
            return numba.njit(cache=True, error_model="numpy", **options)(function)
        except RuntimeError:
            return numba.njit(error_model="numpy", **options)(function)

    return made


def as_many_threads_as_torch() -> None:
    """From now on, in this thread."""
    numba.set_num_threads(min(torch.get_num_threads(), numba.config.NUMBA_NUM_THREADS))


def row_of(context: Any, builder: Any, kind: Any, array: Any, row: Any) -> Any:
    """Where a row of an array `[N, K]` begins."""
    found = context.make_array(kind)(context, builder, array)
    return cgutils.get_item_pointer(context, builder, kind, found, [row, row.type(0)])


def depth_of(context: Any, builder: Any, kind: Any, array: Any) -> Any:
    """The K of an array `[N, K]`."""
    return cgutils.unpack_tuple(builder, context.make_array(kind)(context, builder, array).shape)[1]


def loaded(builder: Any, row: Any, place: Any, kind: Any) -> Any:
    """A register of a row, from a place on, wherever that lies in memory."""
    value = builder.load(builder.bitcast(builder.gep(row, [place]), kind.as_pointer()))
    value.align = 1
    return value


def ask_for(builder: Any, row: Any, place: Any) -> None:
    """Have memory send what will be wanted: to be read, to stay, data. Past the end it is asked in vain."""
    flags = [NUMBER] * 3
    prefetch = named(builder, ir.VoidType(), [row.type, *flags], "llvm.prefetch.p0")
    builder.call(prefetch, [builder.gep(row, [place]), NUMBER(0), NUMBER(3), NUMBER(1)])


def named(builder: Any, back: Any, arguments: list[Any], name: str) -> Any:
    """One of LLVM's own functions."""
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(back, arguments), name)


numba.get_num_threads()  # Starts numba's threads, and sets the number of torch's as well where both use one OpenMP: on
torch.set_num_threads(_THREADS)  # that depend the last bits of other products, such as a codec's, so it is put back.
