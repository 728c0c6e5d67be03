"""The kernels of a decoding step on a GPU, in Triton: embeddings, linear layers, self-attention, cross-attention.

A step multiplies few lines with every weight of the model, so all that counts is how fast weights, keys and values
come out of memory. Four kernels do it, each over all lines of the batch at once: `embed`, `linear` (which normalises
its input, and adds to its output), `self_attention` and `cross_attention`: eight launches a layer, five in a model
without cross-attention.

On Hopper and later a kernel may start `early`: while the one before still runs, it prefetches its first weights into
the cache, which nothing before it can change, and then waits until all others have ended.

A line's result never depends on how many others there are, nor on how much memory is allocated: every sum runs over
blocks whose sizes follow from the model alone, in one order. In Triton's interpreter all of it runs on a CPU.
"""

# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl

SPLIT = 128
"""Columns of keys and values that one program reads. Part of the arithmetic: not to be chosen by what is at work."""
_SPLITS_AT_ONCE = 16
"""Splits that are combined in one go: 2,048 columns, 40 s of music."""
_TOKENS_AT_ONCE = 64
"""Of a text."""
_PREFETCHED_LINES = tl.constexpr(32)
"""Lines of cache, 128 bytes each, that a program prefetches of each row of its weights before it waits. All programs
together: 6 to 20 MB of an L2 cache of 50 MB, more than a card's memory gives in the time between two kernels."""


COMPILED = {"enable_fp_fusion": True}
"""How all kernels are compiled: a product and a sum may be one instruction, with one rounding. Named here because
Triton 3.10 changes what it does by default, and with it the last bits of every result."""


def _launch_options(early: bool) -> dict[str, bool]:
    """How a kernel that may start early is launched (CUDA C++ Programming Guide, "Programmatic Dependent Launch")."""
    return {**COMPILED, "launch_pdl": True} if early else COMPILED


class Norm(NamedTuple):
    """A layer norm that is folded into the product after it.

    With gains g and biases b, (g (x - mean) / std + b) W = ((g x) W - mean (g W)) / std + b W: the product can begin
    before the mean is known, and no kernel has to run ahead of it.
    """

    gains: torch.Tensor  # [K]
    sums: torch.Tensor  # [N], g W
    shifts: torch.Tensor  # [N], b W
    eps: float


def fold_norm(norm: Any, weight: torch.Tensor) -> Norm:
    """The norm before a product with a weight `[N, K]`."""
    gains, biases = norm.weight.detach().float(), norm.bias.detach().float()
    return Norm(gains, _float32_product(weight, gains), _float32_product(weight, biases), norm.eps)


def _float32_product(weight: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """A product in float32, some rows at a time: a weight in half precision is not converted as a whole."""
    return torch.cat([rows.float() @ x for rows in weight.split(1024)])


def embed(
    codes: torch.Tensor,
    positions: torch.Tensor,
    embeddings: torch.Tensor,
    position_embeddings: torch.Tensor,
    out: torch.Tensor,
) -> None:
    """The sum of each row's embeddings, in the order of its codebooks, at its place; twice, once for each line.

    Args:
        codes: `[R, K]`, int64.
        positions: `[R]`, int64.
        embeddings: `[K, card + 1, dim]`.
        position_embeddings: `[columns, dim]`.
        out: `[2 R, dim]`, float32.
    """
    (rows, books), dim = codes.shape, out.shape[1]
    block = min(256, triton.next_power_of_2(dim))
    sizes = (codes.stride(0), embeddings.shape[1], len(position_embeddings), dim, books, block)
    options = _launch_options(early=False)
    _embed[rows, triton.cdiv(dim, block)](codes, positions, embeddings, position_embeddings, out, *sizes, **options)


@triton.jit
def _embed(
    codes: tl.tensor,
    positions: tl.tensor,
    embeddings: tl.tensor,
    position_embeddings: tl.tensor,
    out: tl.tensor,
    codes_stride: tl.tensor,
    tokens: tl.tensor,
    columns: tl.tensor,
    dim: tl.constexpr,
    books: tl.constexpr,
    block: tl.constexpr,
) -> None:
    row = tl.program_id(0)
    here = tl.program_id(1) * block + tl.arange(0, block)
    inside = here < dim
    x = tl.full([block], 0.0, tl.float32)
    for book in range(books):
        token = book * tokens + tl.load(codes + row * codes_stride + book)
        x += tl.load(embeddings + token * dim + here, mask=inside, other=0.0)
    place = tl.minimum(tl.load(positions + row), columns - 1)
    x += tl.load(position_embeddings + place * dim + here, mask=inside, other=0.0)
    tl.store(out + 2 * row * dim + here, x, mask=inside)
    tl.store(out + (2 * row + 1) * dim + here, x, mask=inside)


def linear(
    x: torch.Tensor,
    weight: torch.Tensor,
    out: torch.Tensor,
    *,
    norm: Norm | None = None,
    gelu: bool = False,
    add: bool = False,
    early: bool = False,
) -> None:
    """A linear layer over each line, summed in float32.

    Args:
        x: `[M, K]`, lines of any stride; in the type of the weight, or float32 where it is normalised first.
        weight: `[N, K]`, without gaps.
        out: `[M, N]`, lines of any stride.
        norm: of `x`.
        gelu: of the result (the exact function, by the error function).
        add: add to what is in `out`.
        early: start before the kernel ahead, which must be one of these here, has ended.
    """
    (lines, inner), outer = x.shape, len(weight)
    tile = Tile.of(outer, inner, weight.element_size(), lines, normed=norm is not None)
    gains, sums, shifts, eps = norm or (x, x, x, 0.0)
    _linear[triton.cdiv(lines, tile.lines), outer // tile.outer](
        x,
        weight,
        out,
        gains,
        sums,
        shifts,
        lines,
        x.stride(0),
        out.stride(0),
        eps,
        inner,
        tile.lines,
        tile.outer,
        tile.inner,
        tile.parallel,
        norm is not None,
        gelu,
        add,
        128 // weight.element_size() if early else 0,
        num_warps=4,
        num_stages=tile.stages,
        **_launch_options(early),
    )


class Tile(NamedTuple):
    """What one program of `linear` works on."""

    lines: int
    outer: int
    inner: int
    """Of K, for each of `parallel` sums: as many warps that work side by side, so that none waits long."""
    parallel: int
    stages: int

    @classmethod
    def of(cls, outer: int, inner: int, element_bytes: int, lines: int, *, normed: bool) -> Tile:
        """Many small programs, each with several blocks of weights on their way. Only how many lines a program has
        follows from how many there are: they are rows of the same instructions, and don't meet. In float32 not even
        that: Triton 3.9 would share the sums of a taller program among warps in another way, and sum in another order.
        """
        tall = 32 if lines > 16 and element_bytes < 4 else 16
        wide = _divisor(outer, 32 if outer >= 4096 and tall == 32 else 16)
        deep = _divisor(inner, (256 if normed else 512) // element_bytes)
        parallel = max(min(4, deep // 16), 1)
        return cls(tall, wide, deep // parallel, parallel, stages=4 if tall == 32 else 6 if normed else 5)


def _divisor(number: int, most: int) -> int:
    """The largest power of two that divides a number, up to `most`."""
    return min(number & -number, most)


@triton.jit(do_not_specialize=["lines"])
def _linear(
    x: tl.tensor,
    weight: tl.tensor,
    out: tl.tensor,
    gains: tl.tensor,
    sums: tl.tensor,
    shifts: tl.tensor,
    lines: tl.tensor,
    x_stride: tl.tensor,
    out_stride: tl.tensor,
    eps: tl.tensor,
    inner: tl.constexpr,
    block_lines: tl.constexpr,
    block_outer: tl.constexpr,
    block_inner: tl.constexpr,
    parallel: tl.constexpr,
    normed: tl.constexpr,
    gelu: tl.constexpr,
    add: tl.constexpr,
    prefetched: tl.constexpr,
) -> None:
    if prefetched > 0:
        tl.extra.cuda.gdc_launch_dependents()
        row = tl.program_id(1) * block_outer + tl.arange(0, block_outer)
        ahead = tl.minimum(tl.arange(0, _PREFETCHED_LINES) * prefetched, inner - prefetched)
        _prefetch(weight + row[:, None].to(tl.int64) * inner + ahead[None, :])
        tl.extra.cuda.gdc_wait()
    line = tl.program_id(0) * block_lines + tl.arange(0, block_lines)
    column = tl.program_id(1) * block_outer + tl.arange(0, block_outer)
    parts = tl.full([parallel, block_lines, block_outer], 0.0, tl.float32)
    total = tl.full([parallel, block_lines, block_inner], 0.0, tl.float32)
    total_squares = tl.full([parallel, block_lines, block_inner], 0.0, tl.float32)
    for start in range(0, inner, parallel * block_inner):
        k = start + tl.arange(0, parallel)[:, None] * block_inner + tl.arange(0, block_inner)[None, :]
        pointers = x + line[None, :, None] * x_stride + k[:, None, :]
        part = tl.load(pointers, mask=(line < lines)[None, :, None], other=0.0)
        block = tl.load(weight + column[None, None, :].to(tl.int64) * inner + k[:, :, None])
        if normed:
            total += part
            total_squares += part * part
            part = part * tl.load(gains + k)[:, None, :]
        parts = tl.dot(part.to(block.dtype), block, parts, input_precision="ieee")
    y = tl.sum(parts, 0)
    if normed:
        mean = tl.sum(tl.sum(total, 2), 0) / inner
        variance = tl.maximum(tl.sum(tl.sum(total_squares, 2), 0) / inner - mean * mean, 0.0)
        y -= mean[:, None] * tl.load(sums + column)[None, :]
        y = y / tl.sqrt(variance + eps)[:, None] + tl.load(shifts + column)[None, :]
    if gelu:
        y = 0.5 * y * (1.0 + tl.erf(y * 0.7071067811865476))
    pointers, inside = out + line[:, None] * out_stride + column[None, :], (line < lines)[:, None]
    if add:
        y += tl.load(pointers, mask=inside, other=0.0)
    tl.store(pointers, y.to(out.dtype.element_ty), mask=inside)


def split_count(columns: int) -> int:
    """Into how many parts so many columns are split."""
    return -(-columns // SPLIT)


@triton.jit
def _prefetch(pointers: tl.tensor) -> None:
    """Ask for lines of cache, without waiting for them."""
    tl.inline_asm_elementwise(
        "prefetch.global.L2 [$1]; mov.b32 $0, 0;",
        "=r,l",
        [pointers.to(tl.int64)],
        dtype=tl.int32,
        is_pure=False,
        pack=1,
    )


class Partials(NamedTuple):
    """The results of each split of self-attention, until the last of them combines them."""

    sums: torch.Tensor  # [lines, H, splits, hd]
    peaks: torch.Tensor  # [lines, H, splits]
    shares: torch.Tensor  # [lines, H, splits]
    done: torch.Tensor  # [lines, H], int32, 0 whenever nothing is under way

    @classmethod
    def zeros(cls, lines: int, heads: int, columns: int, head_dim: int, device: torch.device) -> Partials:
        size = (lines, heads, split_count(columns))
        return cls(
            torch.zeros(*size, head_dim, device=device),
            torch.zeros(size, device=device),
            torch.zeros(size, device=device),
            torch.zeros(size[:2], device=device, dtype=torch.int32),
        )


def self_attention(
    qkv: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    positions: torch.Tensor,
    partials: Partials,
    out: torch.Tensor,
    *,
    columns: int,
    early: bool = False,
) -> None:
    """Self-attention: write each line's new keys and values to memory, and attend to all that it has read.

    Only what is filled is read. Each split of a line's columns is a program of its own (T. Dao et al., "Flash-Decoding
    for long-context inference", 2023), and the one that ends last combines them.

    Args:
        qkv: `[2 R, 3 dim]`.
        keys, values: `[rows, 2, H, columns, hd]`, rows >= R.
        positions: `[R]`, int64, below `columns`: the column that is read now.
        partials: scratch.
        out: `[2 R, dim]`.
        columns: more than any row is at.
    """
    heads, room, head_dim = keys.shape[2:]
    sizes = (room, partials.peaks.shape[2], heads, head_dim, SPLIT, _SPLITS_AT_ONCE, early)
    options = _launch_options(early)
    _self_attention[split_count(columns), heads, len(qkv)](
        qkv, keys, values, positions, *partials, out, *sizes, num_warps=4, **options
    )


@triton.jit(do_not_specialize=["splits"])
def _self_attention(
    qkv: tl.tensor,
    keys: tl.tensor,
    values: tl.tensor,
    positions: tl.tensor,
    sums: tl.tensor,
    peaks: tl.tensor,
    shares: tl.tensor,
    done: tl.tensor,
    out: tl.tensor,
    room: tl.tensor,
    splits: tl.tensor,
    heads: tl.constexpr,
    head_dim: tl.constexpr,
    block: tl.constexpr,
    splits_at_once: tl.constexpr,
    early: tl.constexpr,
) -> None:
    if early:
        tl.extra.cuda.gdc_launch_dependents()
        tl.extra.cuda.gdc_wait()
    split, head, line = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    place = tl.load(positions + line // 2)
    filled = tl.minimum(place // block + 1, tl.num_programs(0))
    if split >= filled:
        return
    width = tl.arange(0, head_dim)
    own = qkv + line * 3 * heads * head_dim + head * head_dim + width
    query = tl.load(own).to(tl.float32) * (head_dim**-0.5)
    key, value = tl.load(own + heads * head_dim), tl.load(own + 2 * heads * head_dim)
    column = split * block + tl.arange(0, block)
    lane = line * heads + head
    memory = (lane.to(tl.int64) * room + column)[:, None] * head_dim + width[None, :]
    past, now = (column < place)[:, None], (column == place)[:, None]
    old_keys = tl.load(keys + memory, mask=past, other=0.0)
    old_values = tl.load(values + memory, mask=past, other=0.0)
    tl.store(keys + memory, tl.broadcast_to(key[None, :], [block, head_dim]), mask=now)
    tl.store(values + memory, tl.broadcast_to(value[None, :], [block, head_dim]), mask=now)
    all_keys = tl.where(now, key[None, :], old_keys).to(tl.float32)
    all_values = tl.where(now, value[None, :], old_values).to(tl.float32)
    score = tl.where(column <= place, tl.sum(all_keys * query[None, :], 1), float("-inf"))
    peak = tl.max(score, 0)
    share = tl.exp(score - peak)
    part = lane * splits + split
    tl.store(sums + part * head_dim + width, tl.sum(all_values * share[:, None], 0))
    tl.store(peaks + part, peak)
    tl.store(shares + part, tl.sum(share, 0))
    tl.debug_barrier()  # all threads have written what the one that counts lets others see
    if tl.atomic_add(done + lane, 1, sem="acq_rel") == filled - 1:
        tl.store(done + lane, 0)
        found = _combine(sums, peaks, shares, lane * splits, filled, head_dim, splits_at_once)
        tl.store(out + line * heads * head_dim + head * head_dim + width, found.to(out.dtype.element_ty))


@triton.jit
def _combine(
    sums: tl.tensor,
    peaks: tl.tensor,
    shares: tl.tensor,
    first: tl.tensor,
    filled: tl.tensor,
    head_dim: tl.constexpr,
    splits_at_once: tl.constexpr,
) -> tl.tensor:
    """The results of all splits of a line. They are read from the second level of cache: other programs wrote them."""
    width = tl.arange(0, head_dim)
    total = tl.full([head_dim], 0.0, tl.float32)
    peak, share = float("-inf"), 0.0
    start = 0
    while start < filled:
        split = start + tl.arange(0, splits_at_once)
        mask, part = split < filled, first + split
        split_peaks = tl.load(peaks + part, mask=mask, other=float("-inf"), cache_modifier=".cg")
        higher = tl.maximum(peak, tl.max(split_peaks, 0))
        scale = tl.exp(split_peaks - higher)
        weights = tl.load(shares + part, mask=mask, other=0.0, cache_modifier=".cg") * scale
        found = tl.load(
            sums + part[:, None] * head_dim + width[None, :], mask=mask[:, None], other=0.0, cache_modifier=".cg"
        )
        before = tl.exp(peak - higher)
        total = total * before + tl.sum(found * scale[:, None], 0)
        share = share * before + tl.sum(weights, 0)
        peak = higher
        start += splits_at_once
    return total / share


def cross_attention(
    query: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    lengths: torch.Tensor,
    out: torch.Tensor,
    *,
    early: bool = False,
) -> None:
    """Cross-attention of each row to its own text.

    Args:
        query: `[R, dim]`.
        keys, values: `[rows, H, texts, hd]`, rows >= R.
        lengths: `[rows]`, int32: so many tokens of `texts` are a row's own, and no others are read.
        out: `[R, dim]`.
    """
    heads, room, head_dim = keys.shape[1:]
    sizes = (room, heads, head_dim, _TOKENS_AT_ONCE, early)
    options = _launch_options(early)
    _cross_attention[heads, len(query)](query, keys, values, lengths, out, *sizes, num_warps=4, **options)


@triton.jit
def _cross_attention(
    query: tl.tensor,
    keys: tl.tensor,
    values: tl.tensor,
    lengths: tl.tensor,
    out: tl.tensor,
    room: tl.tensor,
    heads: tl.constexpr,
    head_dim: tl.constexpr,
    block: tl.constexpr,
    early: tl.constexpr,
) -> None:
    if early:
        tl.extra.cuda.gdc_launch_dependents()
        tl.extra.cuda.gdc_wait()
    head, row = tl.program_id(0), tl.program_id(1)
    length = tl.load(lengths + row)
    width = tl.arange(0, head_dim)
    own = (row * heads + head) * head_dim + width
    scaled_query = tl.load(query + own).to(tl.float32) * (head_dim**-0.5)
    total = tl.full([head_dim], 0.0, tl.float32)
    peak, share = float("-inf"), 0.0
    start = 0
    while start < length:
        token = start + tl.arange(0, block)
        mask = token < length
        memory = ((row * heads + head).to(tl.int64) * room + token)[:, None] * head_dim + width[None, :]
        key = tl.load(keys + memory, mask=mask[:, None], other=0.0).to(tl.float32)
        value = tl.load(values + memory, mask=mask[:, None], other=0.0).to(tl.float32)
        score = tl.where(mask, tl.sum(key * scaled_query[None, :], 1), float("-inf"))
        higher = tl.maximum(peak, tl.max(score, 0))
        before, shares = tl.exp(peak - higher), tl.exp(score - higher)
        total = total * before + tl.sum(value * shares[:, None], 0)
        share = share * before + tl.sum(shares, 0)
        peak = higher
        start += block
    tl.store(out + own, (total / share).to(out.dtype.element_ty))
