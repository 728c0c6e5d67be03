"""Compiled loops: how numba compiles them, once for a machine, and the innermost one, which it is told step by step.

In walks how numbers of a type are multiplied and added up, out walk the sums of a tile: of two rows of weights, say,
with four lines. Each weight is then read once for all lines, and each line once for all weights. `integers` and
`halves` say how; from loops alone LLVM does not find their instructions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import llvmlite.binding
import numba
import torch
from llvmlite import ir
from numba.core import cgutils

_THREADS = torch.get_num_threads()
NUMBER = ir.IntType(32)
Array: TypeAlias = Any
"""Of numpy."""


def _features() -> dict[str, bool]:
    """An instruction that numba is told not to use must not be named: LLVM ends the process."""
    if numba.config.CPU_NAME is None and numba.config.CPU_FEATURES is None:
        found = dict(llvmlite.binding.get_host_cpu_features())
    else:
        told = (numba.config.CPU_FEATURES or "").split(",")
        found = {each[1:]: each.startswith("+") for each in told if each}
    return found if numba.config.ENABLE_AVX else {name: has for name, has in found.items() if "avx" not in name}


FEATURES = _features()
"""What this CPU can, by LLVM's names; or what numba is told that it can (`NUMBA_CPU_NAME` and the like)."""
_PARTS = ("llvm_codegen", "int8_matmul", "fp16_matmul", "int8_layer")
_SOURCES = hashlib.sha256(b"".join(Path(__file__).with_name(f"{name}.py").read_bytes() for name in _PARTS)).hexdigest()


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """By numba when it is first called, and kept for the next process where there is a folder to keep it in.

    numba takes what it kept for new as long as the function's own file is the same. What it calls is in other files, so
    all of their contents go into the name that it is kept under.
    """

    def made(function: Callable[..., Any]) -> Any:
        function.__qualname__ += f"-{_SOURCES[:12]}"
        try:
            return numba.njit(cache=True, error_model="numpy", **options)(function)
        except RuntimeError:
            return numba.njit(error_model="numpy", **options)(function)

    return made


def as_many_threads_as_torch() -> None:
    """From now on, in this thread."""
    numba.set_num_threads(min(torch.get_num_threads(), numba.config.NUMBA_NUM_THREADS))


class Tile(NamedTuple):
    """How the products of some rows of weights with some lines are added up. `wide` and `heard` are told the row and
    the place in it, and give a register."""

    lanes: int
    """Channels of a register; a round is two of them."""
    ahead: int
    """By how many channels weights are asked for ahead."""
    none: Any
    """A register of sums of nothing."""
    apart: bool
    """Whether each register of a round adds to sums of its own, so that none waits for another."""
    wide: Callable[[Any, Any, Any], Any]
    """Weights, as they are multiplied."""
    heard: Callable[[Any, Any, Any], Any]
    added: Callable[[Any, Any, Any, Any], Any]
    """A register of sums with the products of weights and lines."""
    joined: Callable[[Any, Any, Any], Any]
    """Two registers of sums in one."""
    whole: Callable[[Any, Any], Any]
    """A register of sums as one number."""


ROUND = 2
"""Registers."""


def sums_of(context: Any, builder: Any, tile: Tile, kinds: Any, arguments: Any) -> Any:
    """A tuple of sums, of the first row of weights with every line, then of the second one.

    Args:
        context, builder: numba's.
        tile: how.
        kinds, arguments: weights `[N, K]`, which of their rows (a tuple), lines `[M, K]`, which of them (a tuple); K is
            whole rounds.
    """
    weights, outputs, lines, places = arguments
    read = [_row(context, builder, kinds[0], weights, each) for each in cgutils.unpack_tuple(builder, outputs)]
    heard = [_row(context, builder, kinds[2], lines, each) for each in cgutils.unpack_tuple(builder, places)]
    apart = ROUND if tile.apart else 1
    sums = [[[cgutils.alloca_once_value(builder, tile.none) for _ in range(apart)] for _ in heard] for _ in read]
    depth = cgutils.unpack_tuple(builder, context.make_array(kinds[0])(context, builder, weights).shape)[1]
    with cgutils.for_range_slice(builder, depth.type(0), depth, depth.type(ROUND * tile.lanes)) as (start, _):
        for row in read:
            _ask_for(builder, row, builder.add(start, start.type(tile.ahead)))
        for index in range(ROUND):
            place = builder.add(start, start.type(index * tile.lanes))
            numbers = [tile.heard(builder, row, place) for row in heard]
            for row, of_row in zip(read, sums, strict=True):
                wide = tile.wide(builder, row, place)
                for number, parts in zip(numbers, of_row, strict=True):
                    part = parts[index % apart]
                    builder.store(tile.added(builder, builder.load(part), wide, number), part)
    loaded = [[builder.load(part) for part in parts] for of_row in sums for parts in of_row]
    joined = [reduce(lambda one, other: tile.joined(builder, one, other), parts) for parts in loaded]
    return cgutils.pack_array(builder, [tile.whole(builder, each) for each in joined])


def register(builder: Any, row: Any, place: Any, kind: Any) -> Any:
    """Of a row, from a place on, wherever that lies in memory."""
    value = builder.load(builder.bitcast(builder.gep(row, [place]), kind.as_pointer()))
    value.align = 1
    return value


def named(builder: Any, back: Any, arguments: list[Any], name: str) -> Any:
    """One of LLVM's own functions."""
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(back, arguments), name)


def _row(context: Any, builder: Any, kind: Any, array: Any, row: Any) -> Any:
    """Where a row begins."""
    found = context.make_array(kind)(context, builder, array)
    return cgutils.get_item_pointer(context, builder, kind, found, [row, row.type(0)])


def _ask_for(builder: Any, row: Any, place: Any) -> None:
    """Have memory send what will be wanted: to be read, to stay, data. Past the end it is asked in vain."""
    flags = [NUMBER] * 3
    prefetch = named(builder, ir.VoidType(), [row.type, *flags], "llvm.prefetch.p0")
    builder.call(prefetch, [builder.gep(row, [place]), NUMBER(0), NUMBER(3), NUMBER(1)])


numba.get_num_threads()  # Starts numba's threads, and sets the number of torch's as well where both use one OpenMP: on
torch.set_num_threads(_THREADS)  # that depend the last bits of other products, such as a codec's, so it is put back.
