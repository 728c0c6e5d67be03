"""Compiled loops: how numba compiles them, once for a machine, and the innermost loop of a matrix product in LLVM.

That loop multiplies a tile, such as two rows of weights with four rows of inputs. `cpu.int8_matmul` and
`cpu.fp16_matmul` say with which instructions: LLVM does not find them in loops written in Python.
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

from tydust_assetgen.generate.musicgen.decoder.cpu.compile_cache import use_checked_files

_THREADS = torch.get_num_threads()
INT32 = ir.IntType(32)
Array: TypeAlias = Any
"""Of numpy."""


def _cpu_features() -> dict[str, bool]:
    """An instruction that numba is told not to use must not be named: LLVM ends the process."""
    if numba.config.CPU_NAME is None and numba.config.CPU_FEATURES is None:
        found = dict(llvmlite.binding.get_host_cpu_features())
    else:
        told = (numba.config.CPU_FEATURES or "").split(",")
        found = {each[1:]: each.startswith("+") for each in told if each}
    return found if numba.config.ENABLE_AVX else {name: has for name, has in found.items() if "avx" not in name}


CPU_FEATURES = _cpu_features()
"""What this CPU can, by LLVM's names; or what numba is told that it can (`NUMBA_CPU_NAME` and the like)."""
_PARTS = ("llvm_codegen", "int8_matmul", "fp16_matmul", "int8_transformer")
_SOURCES = hashlib.sha256(b"".join(Path(__file__).with_name(f"{name}.py").read_bytes() for name in _PARTS)).hexdigest()


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """By numba when it is first called, and kept for the next process where there is a folder to keep it in.

    numba takes what it kept for new as long as the function's own file is the same. What it calls is in other files, so
    all of their contents go into the name that it is kept under.
    """

    safe = use_checked_files()

    def made(function: Callable[..., Any]) -> Any:
        function.__qualname__ += f"-{_SOURCES[:12]}"
        try:
            return numba.njit(cache=safe, error_model="numpy", **options)(function)
        except RuntimeError:
            return numba.njit(error_model="numpy", **options)(function)

    return made


def use_torch_thread_count() -> None:
    """From now on, in this thread."""
    numba.set_num_threads(min(torch.get_num_threads(), numba.config.NUMBA_NUM_THREADS))


class Tile(NamedTuple):
    """How the dot products of some rows of weights with some rows of inputs are added up. `load_weights` and
    `load_inputs` are called with a row's pointer and the place in the row, and give a vector register."""

    lanes: int
    """Channels of a register."""
    prefetch_distance: int
    """By how many channels weights are prefetched."""
    zero: Any
    """A register of zeros, to which products are added."""
    separate_sums: bool
    """Whether each register of a round adds to sums of its own, so that none waits for another."""
    load_weights: Callable[[Any, Any, Any], Any]
    """Weights, converted to what they are multiplied as."""
    load_inputs: Callable[[Any, Any, Any], Any]
    multiply_add: Callable[[Any, Any, Any, Any], Any]
    """Sums, weights and inputs to a register of new sums."""
    add: Callable[[Any, Any, Any], Any]
    """Two registers of sums to one."""
    reduce: Callable[[Any, Any], Any]
    """A register of sums to one number."""


REGISTERS_PER_ROUND = 2


def dot_products(context: Any, builder: Any, tile: Tile, types: Any, arguments: Any) -> Any:
    """Generate the loop that multiplies a tile: each weight is read once for all inputs, each input once for all
    weights.

    Args:
        context, builder: numba's.
        tile: how.
        types, arguments: weights `[N, K]`, a tuple of rows among them, inputs `[M, K]`, a tuple of rows among them; K
            is whole rounds.

    Returns:
        A tuple of sums: of the first row of weights with every row of inputs, then of the second one.
    """
    weights, weight_rows, inputs, input_rows = arguments
    weight_rows, input_rows = (cgutils.unpack_tuple(builder, rows) for rows in (weight_rows, input_rows))
    read = [_row_pointer(context, builder, types[0], weights, row) for row in weight_rows]
    given = [_row_pointer(context, builder, types[2], inputs, row) for row in input_rows]
    apart = REGISTERS_PER_ROUND if tile.separate_sums else 1
    sums = [[[cgutils.alloca_once_value(builder, tile.zero) for _ in range(apart)] for _ in given] for _ in read]
    depth = cgutils.unpack_tuple(builder, context.make_array(types[0])(context, builder, weights).shape)[1]
    step = depth.type(REGISTERS_PER_ROUND * tile.lanes)
    with cgutils.for_range_slice(builder, depth.type(0), depth, step) as (start, _):
        for row in read:
            _prefetch(builder, row, builder.add(start, start.type(tile.prefetch_distance)))
        for index in range(REGISTERS_PER_ROUND):
            place = builder.add(start, start.type(index * tile.lanes))
            numbers = [tile.load_inputs(builder, row, place) for row in given]
            for row, of_row in zip(read, sums, strict=True):
                weight = tile.load_weights(builder, row, place)
                for number, parts in zip(numbers, of_row, strict=True):
                    part = parts[index % apart]
                    builder.store(tile.multiply_add(builder, builder.load(part), weight, number), part)
    loaded = [[builder.load(part) for part in parts] for of_row in sums for parts in of_row]
    totals = [reduce(lambda one, other: tile.add(builder, one, other), parts) for parts in loaded]
    return cgutils.pack_array(builder, [tile.reduce(builder, each) for each in totals])


def load_register(builder: Any, row: Any, place: Any, kind: Any) -> Any:
    """A vector of a row from a place on, which need not be aligned."""
    value = builder.load(builder.bitcast(builder.gep(row, [place]), kind.as_pointer()))
    value.align = 1
    return value


def llvm_function(builder: Any, result: Any, arguments: list[Any], name: str) -> Any:
    """One of LLVM's own functions (intrinsics)."""
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, arguments), name)


def _row_pointer(context: Any, builder: Any, kind: Any, array: Any, row: Any) -> Any:
    made = context.make_array(kind)(context, builder, array)
    return cgutils.get_item_pointer(context, builder, kind, made, [row, row.type(0)])


def _prefetch(builder: Any, row: Any, place: Any) -> None:
    """Have memory send what will be needed: to be read, to stay in the cache, data. Past the end it does nothing."""
    flags = [INT32] * 3
    prefetch = llvm_function(builder, ir.VoidType(), [row.type, *flags], "llvm.prefetch.p0")
    builder.call(prefetch, [builder.gep(row, [place]), INT32(0), INT32(3), INT32(1)])


numba.get_num_threads()  # Starts numba's threads, and sets the number of torch's as well where both use one OpenMP: on
torch.set_num_threads(_THREADS)  # that depend the last bits of other products, such as a codec's, so it is put back.
