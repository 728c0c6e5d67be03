"""What a GPU does in a step, in Triton. In walk some lines of a batch, out walk the same lines one operation further.

A step multiplies few lines with every weight of the model, so all that counts is how fast weights, keys and values
come out of memory. Four kernels do it, each over all lines at once: `embed`, `linear` (which norms what it reads, and
adds to what is there), `attend` and `hear`: eight launches a layer, five where no text is heard by itself.

On Hopper and later a kernel may be there `early`: it comes while the one before still runs, has its first weights
fetched into the cache, which nothing before it can change, and then waits until all others have ended.

A line's result never depends on how many others there are, nor on how much memory is set aside: every sum runs over
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
_GATHERED = 16
"""Splits that are put together in one go: 2,048 columns, 40 s of music."""
_WORDS = 64
"""Tokens of a text that are read in one go."""
_LINES_AHEAD = tl.constexpr(32)
"""Lines of cache, 128 bytes each, that a program has fetched of each row of its weights before it waits. All programs
together: 6 to 20 MB of an L2 cache of 50 MB, more than a card's memory gives in the time between two kernels."""


COMPILED = {"enable_fp_fusion": True}
"""How all kernels are compiled: a product and a sum may be one instruction, with one rounding. Named here because
Triton 3.10 changes what it does by default, and with it the last bits of every result."""


def _launched(early: bool) -> dict[str, bool]:
    """How a kernel that may be early is launched (CUDA C++ Programming Guide, "Programmatic Dependent Launch")."""
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


def folded(norm: Any, weight: torch.Tensor) -> Norm:
    """The norm before a product with a weight `[N, K]`."""
    gains, biases = norm.weight.detach().float(), norm.bias.detach().float()
    return Norm(gains, _times(weight, gains), _times(weight, biases), norm.eps)


def _times(weight: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """A product in float32, some rows at a time: a weight in half precision is not widened as a whole."""
    return torch.cat([rows.float() @ x for rows in weight.split(1024)])


def embed(
    codes: torch.Tensor,
    at: torch.Tensor,
    embeddings: torch.Tensor,
    positions: torch.Tensor,
    out: torch.Tensor,
) -> None:
    """The sum of each row's embeddings, in the order of its codebooks, at its place; twice, once for each line.

    Args:
        codes: `[R, K]`, int64.
        at: `[R]`, int64.
        embeddings: `[K, card + 1, dim]`.
        positions: `[columns, dim]`.
        out: `[2 R, dim]`, float32.
    """
    (rows, books), dim = codes.shape, out.shape[1]
    block = min(256, triton.next_power_of_2(dim))
    sizes = (codes.stride(0), embeddings.shape[1], len(positions), dim, books, block)
    _embed[rows, triton.cdiv(dim, block)](codes, at, embeddings, positions, out, *sizes, **_launched(early=False))


@triton.jit
def _embed(
    codes: tl.tensor,
    at: tl.tensor,
    embeddings: tl.tensor,
    positions: tl.tensor,
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
    within = here < dim
    x = tl.full([block], 0.0, tl.float32)
    for book in range(books):
        token = book * tokens + tl.load(codes + row * codes_stride + book)
        x += tl.load(embeddings + token * dim + here, mask=within, other=0.0)
    place = tl.minimum(tl.load(at + row), columns - 1)
    x += tl.load(positions + place * dim + here, mask=within, other=0.0)
    tl.store(out + 2 * row * dim + here, x, mask=within)
    tl.store(out + (2 * row + 1) * dim + here, x, mask=within)


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
    """Multiply each line with a weight, and sum in float32.

    Args:
        x: `[M, K]`, lines of any stride; in the type of the weight, or float32 where it is normed first.
        weight: `[N, K]`, without gaps.
        out: `[M, N]`, lines of any stride.
        norm: what is done to `x` first.
        gelu: bend the result (the exact function, by the error function).
        add: add to what is in `out`.
        early: come before the kernel ahead, which must be one of these here, has ended.
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
        tile.hands,
        norm is not None,
        gelu,
        add,
        128 // weight.element_size() if early else 0,
        num_warps=4,
        num_stages=tile.stages,
        **_launched(early),
    )


class Tile(NamedTuple):
    """What one program of `linear` works on."""

    lines: int
    outer: int
    inner: int
    """Of K, for each of its hands: as many warps that work side by side, so that none waits long for its sums."""
    hands: int
    stages: int

    @classmethod
    def of(cls, outer: int, inner: int, element_bytes: int, lines: int, *, normed: bool) -> Tile:
        """Many small programs, each with several blocks of weights on their way. Only how many lines a program has
        follows from how many there are: they are rows of the same instructions, and don't meet. In float32 not even
        that: Triton 3.9 would share the hands of a taller program among warps in another way, and sum in another order.
        """
        tall = 32 if lines > 16 and element_bytes < 4 else 16
        wide = _divisor(outer, 32 if outer >= 4096 and tall == 32 else 16)
        deep = _divisor(inner, (256 if normed else 512) // element_bytes)
        hands = max(min(4, deep // 16), 1)
        return cls(tall, wide, deep // hands, hands, stages=4 if tall == 32 else 6 if normed else 5)


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
    hands: tl.constexpr,
    normed: tl.constexpr,
    gelu: tl.constexpr,
    add: tl.constexpr,
    fetched: tl.constexpr,
) -> None:
    if fetched > 0:
        tl.extra.cuda.gdc_launch_dependents()
        row = tl.program_id(1) * block_outer + tl.arange(0, block_outer)
        ahead = tl.minimum(tl.arange(0, _LINES_AHEAD) * fetched, inner - fetched)
        _fetch(weight + row[:, None].to(tl.int64) * inner + ahead[None, :])
        tl.extra.cuda.gdc_wait()
    line = tl.program_id(0) * block_lines + tl.arange(0, block_lines)
    column = tl.program_id(1) * block_outer + tl.arange(0, block_outer)
    parts = tl.full([hands, block_lines, block_outer], 0.0, tl.float32)
    once = tl.full([hands, block_lines, block_inner], 0.0, tl.float32)
    squared = tl.full([hands, block_lines, block_inner], 0.0, tl.float32)
    for start in range(0, inner, hands * block_inner):
        k = start + tl.arange(0, hands)[:, None] * block_inner + tl.arange(0, block_inner)[None, :]
        there = x + line[None, :, None] * x_stride + k[:, None, :]
        part = tl.load(there, mask=(line < lines)[None, :, None], other=0.0)
        block = tl.load(weight + column[None, None, :].to(tl.int64) * inner + k[:, :, None])
        if normed:
            once += part
            squared += part * part
            part = part * tl.load(gains + k)[:, None, :]
        parts = tl.dot(part.to(block.dtype), block, parts, input_precision="ieee")
    y = tl.sum(parts, 0)
    if normed:
        mean = tl.sum(tl.sum(once, 2), 0) / inner
        variance = tl.maximum(tl.sum(tl.sum(squared, 2), 0) / inner - mean * mean, 0.0)
        y -= mean[:, None] * tl.load(sums + column)[None, :]
        y = y / tl.sqrt(variance + eps)[:, None] + tl.load(shifts + column)[None, :]
    if gelu:
        y = 0.5 * y * (1.0 + tl.erf(y * 0.7071067811865476))
    there, within = out + line[:, None] * out_stride + column[None, :], (line < lines)[:, None]
    if add:
        y += tl.load(there, mask=within, other=0.0)
    tl.store(there, y.to(out.dtype.element_ty), mask=within)


def splits(columns: int) -> int:
    """Into how many parts so many columns are split."""
    return -(-columns // SPLIT)


@triton.jit
def _fetch(there: tl.tensor) -> None:
    """Have lines of cache fetched, and don't wait for them."""
    tl.inline_asm_elementwise(
        "prefetch.global.L2 [$1]; mov.b32 $0, 0;", "=r,l", [there.to(tl.int64)], dtype=tl.int32, is_pure=False, pack=1
    )


class Parts(NamedTuple):
    """Room for what each split has found, until the last of them puts it together."""

    sums: torch.Tensor  # [lines, H, splits, hd]
    peaks: torch.Tensor  # [lines, H, splits]
    shares: torch.Tensor  # [lines, H, splits]
    done: torch.Tensor  # [lines, H], int32, 0 whenever nothing is under way

    @classmethod
    def of(cls, lines: int, heads: int, columns: int, head_dim: int, device: torch.device) -> Parts:
        size = (lines, heads, splits(columns))
        return cls(
            torch.zeros(*size, head_dim, device=device),
            torch.zeros(size, device=device),
            torch.zeros(size, device=device),
            torch.zeros(size[:2], device=device, dtype=torch.int32),
        )


def attend(
    qkv: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    at: torch.Tensor,
    parts: Parts,
    out: torch.Tensor,
    *,
    columns: int,
    early: bool = False,
) -> None:
    """Put each line's new keys and values into memory, and let it look back at all that it has read.

    Only what is filled is read. Each split of a line's columns is a program of its own (T. Dao et al., "Flash-Decoding
    for long-context inference", 2023), and the one that ends last puts them together.

    Args:
        qkv: `[2 R, 3 dim]`.
        keys, values: `[rows, 2, H, columns, hd]`, rows >= R.
        at: `[R]`, int64, below `columns`: the column that is read now.
        parts: scratch.
        out: `[2 R, dim]`.
        columns: more than any row is at.
    """
    heads, room, head_dim = keys.shape[2:]
    sizes = (heads, head_dim, SPLIT, _GATHERED, early)
    _attend[splits(columns), heads, len(qkv)](
        qkv, keys, values, at, *parts, out, room, parts.peaks.shape[2], *sizes, num_warps=4, **_launched(early)
    )


@triton.jit(do_not_specialize=["splits"])
def _attend(
    qkv: tl.tensor,
    keys: tl.tensor,
    values: tl.tensor,
    at: tl.tensor,
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
    gathered: tl.constexpr,
    early: tl.constexpr,
) -> None:
    if early:
        tl.extra.cuda.gdc_launch_dependents()
        tl.extra.cuda.gdc_wait()
    split, head, line = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    place = tl.load(at + line // 2)
    filled = tl.minimum(place // block + 1, tl.num_programs(0))
    if split >= filled:
        return
    width = tl.arange(0, head_dim)
    mine = qkv + line * 3 * heads * head_dim + head * head_dim + width
    query = tl.load(mine).to(tl.float32) * (head_dim**-0.5)
    key, value = tl.load(mine + heads * head_dim), tl.load(mine + 2 * heads * head_dim)
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
        found = _gather(sums, peaks, shares, lane * splits, filled, head_dim, gathered)
        tl.store(out + line * heads * head_dim + head * head_dim + width, found.to(out.dtype.element_ty))


@triton.jit
def _gather(
    sums: tl.tensor,
    peaks: tl.tensor,
    shares: tl.tensor,
    first: tl.tensor,
    filled: tl.tensor,
    head_dim: tl.constexpr,
    gathered: tl.constexpr,
) -> tl.tensor:
    """What all splits of a line have found. It comes from the second level of cache: others have written it."""
    width = tl.arange(0, head_dim)
    total = tl.full([head_dim], 0.0, tl.float32)
    peak, share = float("-inf"), 0.0
    start = 0
    while start < filled:
        split = start + tl.arange(0, gathered)
        there, part = split < filled, first + split
        heights = tl.load(peaks + part, mask=there, other=float("-inf"), cache_modifier=".cg")
        higher = tl.maximum(peak, tl.max(heights, 0))
        scale = tl.exp(heights - higher)
        weights = tl.load(shares + part, mask=there, other=0.0, cache_modifier=".cg") * scale
        found = tl.load(
            sums + part[:, None] * head_dim + width[None, :], mask=there[:, None], other=0.0, cache_modifier=".cg"
        )
        before = tl.exp(peak - higher)
        total = total * before + tl.sum(found * scale[:, None], 0)
        share = share * before + tl.sum(weights, 0)
        peak = higher
        start += gathered
    return total / share


def hear(
    query: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    lengths: torch.Tensor,
    out: torch.Tensor,
    *,
    early: bool = False,
) -> None:
    """Let each row look at its own text.

    Args:
        query: `[R, dim]`.
        keys, values: `[rows, H, texts, hd]`, rows >= R.
        lengths: `[rows]`, int32: so much of `texts` is a row's own, and nothing else is heard.
        out: `[R, dim]`.
    """
    heads, room, head_dim = keys.shape[1:]
    sizes = (heads, head_dim, _WORDS, early)
    _hear[heads, len(query)](query, keys, values, lengths, out, room, *sizes, num_warps=4, **_launched(early))


@triton.jit
def _hear(
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
    mine = (row * heads + head) * head_dim + width
    asked = tl.load(query + mine).to(tl.float32) * (head_dim**-0.5)
    total = tl.full([head_dim], 0.0, tl.float32)
    peak, share = float("-inf"), 0.0
    start = 0
    while start < length:
        word = start + tl.arange(0, block)
        there = word < length
        memory = ((row * heads + head).to(tl.int64) * room + word)[:, None] * head_dim + width[None, :]
        known = tl.load(keys + memory, mask=there[:, None], other=0.0).to(tl.float32)
        meant = tl.load(values + memory, mask=there[:, None], other=0.0).to(tl.float32)
        score = tl.where(there, tl.sum(known * asked[None, :], 1), float("-inf"))
        higher = tl.maximum(peak, tl.max(score, 0))
        before, shares = tl.exp(peak - higher), tl.exp(score - higher)
        total = total * before + tl.sum(meant * shares[:, None], 0)
        share = share * before + tl.sum(shares, 0)
        peak = higher
        start += block
    tl.store(out + mine, (total / share).to(out.dtype.element_ty))
