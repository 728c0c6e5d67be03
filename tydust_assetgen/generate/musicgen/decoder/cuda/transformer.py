"""The transformer on a GPU. In walk codes, out walk logits; `kernels` does the work of a step.

Half precision is where audiocraft has it: in the layers, their keys and values, and the heads. Embeddings, positions,
norms and what is handed from layer to layer stay in float32. The weights are audiocraft's own tensors wherever they
have the type already. All memory is taken at once, and a step touches the host for nothing, so that it can be recorded
and replayed (`graphs`).

A row is two lines side by side: the first hears its conditions, the second hears none.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch.nn import functional

from tydust_assetgen.generate.musicgen.decoder.config import Shape
from tydust_assetgen.generate.musicgen.decoder.cpu.transformer import positions_of
from tydust_assetgen.generate.musicgen.decoder.cuda import triton_kernels
from tydust_assetgen.generate.musicgen.decoder.cuda.triton_kernels import Parts
from tydust_assetgen.generate.musicgen.decoder.cuda.weights import Layer, Linear, layer_of, linear_of, read

BUCKET = 256
"""Columns by which memory is counted out."""
_MOST_ROWS = 32
_HOPPER = 9
"""The compute capability from which on a kernel can come early."""
WORDS = 64
"""Tokens of text by which memory is counted out."""


class _Scratch(NamedTuple):
    """What a step writes between its kernels."""

    x: torch.Tensor  # [2 rows, dim], float32
    qkv: torch.Tensor  # [2 rows, 3 dim]
    mixed: torch.Tensor  # [2 rows, dim]
    hidden: torch.Tensor  # [2 rows, 4 dim]
    query: torch.Tensor  # [rows, dim]
    logits: torch.Tensor  # [2 rows, K card], float32
    parts: Parts

    def of(self, rows: int) -> _Scratch:
        """For the first rows."""
        x, qkv, mixed, hidden = (each[: 2 * rows] for each in self[:4])
        return _Scratch(x, qkv, mixed, hidden, self.query[:rows], self.logits[: 2 * rows], self.parts)


class _Memory(NamedTuple):
    """What one layer keeps of each row."""

    keys: torch.Tensor  # [rows, 2, H, columns, hd]
    values: torch.Tensor
    text_keys: torch.Tensor  # [rows, H, words, hd]
    text_values: torch.Tensor

    @classmethod
    def of(cls, shape: Shape, device: torch.device, dtype: torch.dtype) -> _Memory:
        """Of no rows."""
        nothing = torch.zeros((0, 2, shape.heads, 0, shape.head_dim), device=device, dtype=dtype)
        return cls(nothing, nothing, nothing[:, 0], nothing[:, 0])

    def grown(self, rows: int, columns: int, words: int) -> _Memory:
        """With room for more, and with what was there."""
        _, lines, heads, _, width = self.keys.shape
        size = (rows, lines, heads, columns, width)
        texts = (rows, heads, max(words, self.text_keys.shape[2]), width)
        keys, values = _kept(self.keys, size), _kept(self.values, size)
        return _Memory(keys, values, _kept(self.text_keys, texts), _kept(self.text_values, texts))


class CudaNetwork:
    """A model's weights, and the keys and values of the rows that it plays.

    Args:
        lm: audiocraft's language model, in eval mode, on the device that is to play.
        shape: its sizes.
        dtype: of the layers: float16, bfloat16 or float32.
    """

    def __init__(self, lm: Any, shape: Shape, dtype: torch.dtype) -> None:
        self.shape, self.dtype, self.device = shape, dtype, lm.emb[0].weight.device
        self.early = self.device.type == "cuda" and torch.cuda.get_device_capability(self.device)[0] >= _HOPPER
        """Whether kernels come before those ahead have ended."""
        self.taken = 0
        """How often memory was taken: what has its address must then be made anew."""
        self._embeddings = torch.stack([each.weight.detach().float() for each in lm.emb])  # [K, card + 1, dim]
        self.heads = linear_of(torch.cat([each.weight.detach() for each in lm.linears]), dtype, lm.out_norm)
        self.layers = [layer_of(each, shape.dim, dtype) for each in lm.transformer.layers]
        self.clear()

    @property
    def most_rows(self) -> int:
        """How many tracks it can play at once, each with the same bits as alone."""
        return _MOST_ROWS

    @property
    def rows(self) -> int:
        """How many it has memory for."""
        return int(self._memory[0].keys.shape[0])

    def row_bytes(self, columns: int) -> int:
        """Memory of one row: keys and values, scratch, and what it takes to draw from its logits."""
        shape = self.shape
        kept = 2 * 2 * shape.layers * shape.dim * _up(columns, BUCKET)
        texts = 2 * shape.layers * shape.dim * WORDS if shape.cross else 0
        parts = 2 * shape.dim * triton_kernels.splits(columns)
        drawn = 16 * shape.codebooks * shape.card
        return (kept + texts) * int(self.dtype.itemsize) + 4 * (parts + drawn + 16 * shape.dim)

    def reserve(self, rows: int, columns: int) -> None:
        """Have memory for so many rows of so many columns, conditions included; what is there stays."""
        has_rows, _, _, has_columns, _ = self._memory[0].keys.shape
        if rows <= has_rows and columns <= has_columns:
            return
        rows, columns = max(rows, has_rows), max(_up(columns, BUCKET), has_columns)
        self._grow(rows, columns, WORDS)
        self._positions = positions_of(self.shape, columns).to(self.device)
        self._scratch: _Scratch | None = self._cleared(rows, columns)

    def clear(self) -> None:
        """Nobody plays any more: give the memory of all rows back, to the card and not to torch."""
        self._memory = [_Memory.of(self.shape, self.device, self.dtype) for _ in range(self.shape.layers)]
        self._lengths = torch.ones(0, device=self.device, dtype=torch.int32)  # of each row's text
        self._scratch = None
        self.taken += 1
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _grow(self, rows: int, columns: int, words: int) -> None:
        """A layer at a time: the memory that was and the one that is to be never lie side by side as a whole."""
        for index, memory in enumerate(self._memory):
            self._memory[index] = memory.grown(rows, columns, _up(words, WORDS) if self.shape.cross else 0)
        self._lengths = _kept(self._lengths, (rows,), 1)
        self.taken += 1

    def _cleared(self, rows: int, columns: int) -> _Scratch:
        shape, lines, half = self.shape, 2 * rows, {"device": self.device, "dtype": self.dtype}
        return _Scratch(
            torch.zeros(lines, shape.dim, device=self.device),
            torch.zeros(lines, 3 * shape.dim, **half),
            torch.zeros(lines, shape.dim, **half),
            torch.zeros(lines, len(self.layers[0].up.weight), **half),
            torch.zeros(rows, shape.dim, **half),
            torch.zeros(lines, len(self.heads.weight), device=self.device),
            Parts.of(lines, shape.heads, columns, shape.head_dim, self.device),
        )

    def begin(self, row: int, columns: torch.Tensor, heard: torch.Tensor, unheard: torch.Tensor) -> torch.Tensor:
        """Read the first columns of a row.

        Args:
            row: which one.
            columns: `[K, S]` codes, special tokens where there is none.
            heard: `[L, dim]` what the row is led by: through cross-attention, or standing before the codes.
            unheard: `[L, dim]` what stands before the codes where nothing is to be heard; unused with cross-attention.

        Returns:
            Logits `[2, K, card]` of the column that follows, with and without conditions; float32.
        """
        x = self._embedded(columns).expand(2, -1, -1)  # [2, S, dim]
        if self.shape.cross:
            self._listen(row, len(heard))
        else:
            x = torch.cat([torch.stack([heard, unheard]).float(), x], dim=1)
        x = x + self._positions[: x.shape[1]]
        for index, layer in enumerate(self.layers):
            x = x + self._looked_back(layer, x, self._memory[index].keys[row], self._memory[index].values[row])
            if layer.query is not None:
                spoken = self._project(layer, heard, index, row)
                x = torch.cat([x[:1] + self._heard(layer, x[:1], *spoken), x[1:]])
            x = x + read(layer.down, functional.gelu(read(layer.up, x)))
        logits = read(self.heads, x[:, -1])
        return logits.float().view(2, self.shape.codebooks, self.shape.card)

    def _listen(self, row: int, words: int) -> None:
        """A row has a text of so many tokens."""
        keys, _, texts, _ = self._memory[0]
        if words > texts.shape[2]:
            self._grow(self.rows, keys.shape[3], words)
        self._lengths[row] = words

    def _embedded(self, columns: torch.Tensor) -> torch.Tensor:
        """`[K, S]` codes to `[1, S, dim]`, added up in audiocraft's order."""
        x = functional.embedding(columns[:1], self._embeddings[0])
        for book in range(1, self.shape.codebooks):
            x = x + functional.embedding(columns[book : book + 1], self._embeddings[book])
        return x

    def _looked_back(self, layer: Layer, x: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """Self-attention of both lines of a row over what they read now; its keys and values are kept."""
        length = x.shape[1]
        qkv = read(layer.qkv, x).view(2, length, 3, self.shape.heads, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        keys[:, :, :length], values[:, :, :length] = key, value
        found = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return read(layer.out, found.transpose(1, 2).flatten(2))

    def _project(self, layer: Layer, heard: torch.Tensor, index: int, row: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The keys and values `[1, H, L, hd]` of a text, kept for all steps."""
        assert layer.words is not None
        both = functional.linear(heard.to(self.dtype), layer.words).view(1, len(heard), 2, self.shape.heads, -1)
        keys, values = both.permute(2, 0, 3, 1, 4)
        self._memory[index].text_keys[row, :, : len(heard)] = keys[0]
        self._memory[index].text_values[row, :, : len(heard)] = values[0]
        return keys, values

    def _heard(self, layer: Layer, x: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """Cross-attention `[1, S, dim]`."""
        assert layer.query is not None
        assert layer.out_cross is not None
        query = read(layer.query, x).view(1, x.shape[1], self.shape.heads, -1).transpose(1, 2)
        found = functional.scaled_dot_product_attention(query, keys, values)
        return read(layer.out_cross, found.transpose(1, 2).flatten(2))

    def step(self, codes: torch.Tensor, at: torch.Tensor, columns: int) -> torch.Tensor:
        """Read one more column of the first rows. Nothing is asked of the device, and nothing is taken from it.

        Args:
            codes: `[R, K]`, int64.
            at: `[R]`, int64: how many columns (conditions before the codes included) each row has already read.
            columns: more than any row has read.

        Returns:
            Logits `[2, R, K, card]` of the columns that follow, with and without conditions; float32. They stand in
            memory of the network until its next step.
        """
        assert self._scratch is not None
        rows = len(codes)
        x, qkv, mixed, hidden, query, logits, parts = self._scratch.of(rows)
        hearing = x.view(rows, 2, -1)[:, 0]
        triton_kernels.embed(codes, at, self._embeddings, self._positions, x)
        for layer, memory in zip(self.layers, self._memory, strict=True):
            self.multiply(layer.qkv, x, qkv)
            triton_kernels.attend(qkv, memory.keys, memory.values, at, parts, mixed, columns=columns, early=self.early)
            self.multiply(layer.out, mixed, x, add=True)
            if layer.query is not None and layer.out_cross is not None:
                self.multiply(layer.query, hearing, query)
                texts, found = (memory.text_keys, memory.text_values), mixed[:rows]
                triton_kernels.hear(query, *texts, self._lengths, found, early=self.early)
                self.multiply(layer.out_cross, found, hearing, add=True)
            self.multiply(layer.up, x, hidden, gelu=True)
            self.multiply(layer.down, hidden, x, add=True)
        self.multiply(self.heads, x, logits)
        return logits.view(rows, 2, self.shape.codebooks, self.shape.card).transpose(0, 1)

    def multiply(
        self, linear: Linear, x: torch.Tensor, out: torch.Tensor, *, gelu: bool = False, add: bool = False
    ) -> None:
        """A product over few lines, as our kernel does it."""
        triton_kernels.linear(x, linear.weight, out, norm=linear.norm, gelu=gelu, add=add, early=self.early)

    def move(self, source: int, target: int, length: int) -> None:
        """Give one row's place to another, so that the rows at work stay side by side."""
        for memory in self._memory:
            for each in (memory.keys, memory.values):
                each[target, ..., :length, :] = each[source, ..., :length, :]
            for each in (memory.text_keys, memory.text_values):
                each[target] = each[source]
        self._lengths[target] = self._lengths[source]


def _up(number: int, step: int) -> int:
    return -(-number // step) * step


def _kept(memory: torch.Tensor, size: tuple[int, ...], new: int = 0) -> torch.Tensor:
    """The same in larger memory."""
    if tuple(memory.shape) == size:
        return memory
    larger = memory.new_full(size, new)
    larger[tuple(map(slice, memory.shape))] = memory
    return larger
