"""The transformer on a GPU: prefill by torch, decoding by the kernels of `triton_kernels`.

Half precision is where audiocraft has it: in the layers, their keys and values, and the heads. Embeddings, positions,
norms and what is handed from layer to layer stay in float32. The weights are audiocraft's own tensors wherever they
have the type already. All memory is allocated at once, and a step asks the host for nothing, so that it can be captured
and replayed (`cuda.graphs`).

A row is one track, as two halves side by side: the first is conditional, the second unconditional.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch.nn import functional

from tydust_assetgen.generate.musicgen.decoder.config import Shape
from tydust_assetgen.generate.musicgen.decoder.cuda import triton_kernels
from tydust_assetgen.generate.musicgen.decoder.cuda.triton_kernels import Partials
from tydust_assetgen.generate.musicgen.decoder.cuda.weights import (
    Layer,
    Linear,
    layer_weights,
    make_linear,
    prefill_linear,
)
from tydust_assetgen.generate.musicgen.decoder.embeddings import embed_codes, sinusoidal_positions

COLUMN_BUCKET = 256
"""Memory is allocated in multiples of so many columns."""
TEXT_BUCKET = 64
"""And of so many tokens of text."""
_MAX_ROWS = 32
_HOPPER = 9
"""The compute capability from which on a kernel can start early."""


class _Scratch(NamedTuple):
    """What a step writes between its kernels."""

    x: torch.Tensor  # [2 rows, dim], float32
    qkv: torch.Tensor  # [2 rows, 3 dim]
    attended: torch.Tensor  # [2 rows, dim]
    hidden: torch.Tensor  # [2 rows, 4 dim]
    query: torch.Tensor  # [rows, dim]
    logits: torch.Tensor  # [2 rows, K card], float32
    partials: Partials

    def first(self, rows: int) -> _Scratch:
        """Of the first rows."""
        x, qkv, attended, hidden = (each[: 2 * rows] for each in self[:4])
        return _Scratch(x, qkv, attended, hidden, self.query[:rows], self.logits[: 2 * rows], self.partials)


class _Cache(NamedTuple):
    """Keys and values of one layer."""

    keys: torch.Tensor  # [rows, 2, H, columns, hd]
    values: torch.Tensor
    text_keys: torch.Tensor  # [rows, H, tokens, hd]
    text_values: torch.Tensor

    @classmethod
    def empty(cls, shape: Shape, device: torch.device, dtype: torch.dtype) -> _Cache:
        nothing = torch.zeros((0, 2, shape.heads, 0, shape.head_dim), device=device, dtype=dtype)
        return cls(nothing, nothing, nothing[:, 0], nothing[:, 0])

    def enlarged(self, rows: int, columns: int, tokens: int) -> _Cache:
        """With room for more, and with what was there."""
        _, halves, heads, _, head_dim = self.keys.shape
        size = (rows, halves, heads, columns, head_dim)
        texts = (rows, heads, max(tokens, self.text_keys.shape[2]), head_dim)
        keys, values = _enlarged(self.keys, size), _enlarged(self.values, size)
        return _Cache(keys, values, _enlarged(self.text_keys, texts), _enlarged(self.text_values, texts))


class CudaTransformer:
    """A model's weights, and the keys and values of the rows that it decodes.

    Args:
        lm: audiocraft's language model, in eval mode, on the device that is to decode.
        shape: its sizes.
        dtype: of the layers: float16, bfloat16 or float32.
    """

    def __init__(self, lm: Any, shape: Shape, dtype: torch.dtype) -> None:
        self.shape, self.dtype, self.device = shape, dtype, lm.emb[0].weight.device
        self.early = self.device.type == "cuda" and torch.cuda.get_device_capability(self.device)[0] >= _HOPPER
        """Whether kernels start before those ahead have ended."""
        self.allocations = 0
        self._embeddings = torch.stack([each.weight.detach().float() for each in lm.emb])  # [K, card + 1, dim]
        self.heads = make_linear(torch.cat([each.weight.detach() for each in lm.linears]), dtype, lm.out_norm)
        self.layers = [layer_weights(each, shape.dim, dtype) for each in lm.transformer.layers]
        self.free()

    @property
    def max_rows(self) -> int:
        """How many tracks it can decode at once, each with the same bits as alone."""
        return _MAX_ROWS

    @property
    def rows(self) -> int:
        """How many it has memory for."""
        return int(self._cache[0].keys.shape[0])

    def row_bytes(self, columns: int) -> int:
        """Memory of one row: keys and values, scratch, and what it takes to sample from its logits."""
        shape = self.shape
        kept = 2 * 2 * shape.layers * shape.dim * _round_up(columns, COLUMN_BUCKET)
        texts = 2 * shape.layers * shape.dim * TEXT_BUCKET if shape.cross else 0
        partials = 2 * shape.dim * triton_kernels.split_count(columns)
        sampled = 16 * shape.codebooks * shape.card
        return (kept + texts) * int(self.dtype.itemsize) + 4 * (partials + sampled + 16 * shape.dim)

    def reserve(self, rows: int, columns: int) -> None:
        """Have memory for so many rows of so many columns, conditions included; what is there stays."""
        has_rows, _, _, has_columns, _ = self._cache[0].keys.shape
        if rows <= has_rows and columns <= has_columns:
            return
        rows, columns = max(rows, has_rows), max(_round_up(columns, COLUMN_BUCKET), has_columns)
        self._enlarge(rows, columns, TEXT_BUCKET)
        self._positions = sinusoidal_positions(self.shape, columns).to(self.device)
        self._scratch: _Scratch | None = self._new_scratch(rows, columns)

    def free(self) -> None:
        """Give the memory of all rows back, to the card and not to torch."""
        self._cache = [_Cache.empty(self.shape, self.device, self.dtype) for _ in range(self.shape.layers)]
        self._text_lengths = torch.ones(0, device=self.device, dtype=torch.int32)  # [rows]
        self._scratch = None
        self.allocations += 1
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _enlarge(self, rows: int, columns: int, tokens: int) -> None:
        """A layer at a time: the old memory and the new one never lie side by side as a whole."""
        for index, cache in enumerate(self._cache):
            tokens_kept = _round_up(tokens, TEXT_BUCKET) if self.shape.cross else 0
            self._cache[index] = cache.enlarged(rows, columns, tokens_kept)
        self._text_lengths = _enlarged(self._text_lengths, (rows,), 1)
        self.allocations += 1

    def _new_scratch(self, rows: int, columns: int) -> _Scratch:
        shape, halves, typed = self.shape, 2 * rows, {"device": self.device, "dtype": self.dtype}
        return _Scratch(
            torch.zeros(halves, shape.dim, device=self.device),
            torch.zeros(halves, 3 * shape.dim, **typed),
            torch.zeros(halves, shape.dim, **typed),
            torch.zeros(halves, len(self.layers[0].up.weight), **typed),
            torch.zeros(rows, shape.dim, **typed),
            torch.zeros(halves, len(self.heads.weight), device=self.device),
            Partials.zeros(halves, shape.heads, columns, shape.head_dim, self.device),
        )

    def prefill(
        self, row: int, columns: torch.Tensor, conditional: torch.Tensor, unconditional: torch.Tensor
    ) -> torch.Tensor:
        """Read the first columns of a row.

        Args:
            row: which one.
            columns: `[K, S]` codes, special tokens where there is none.
            conditional: `[L, dim]`, the embedded text: for cross-attention, or to stand before the codes.
            unconditional: `[L, dim]`, what stands before the codes without a text; unused with cross-attention.

        Returns:
            Logits `[2, K, card]` of the column that follows, with and without conditions; float32.
        """
        x = embed_codes(columns[None], self._embeddings).expand(2, -1, -1)  # [2, S, dim]
        if self.shape.cross:
            self._set_text_length(row, len(conditional))
        else:
            x = torch.cat([torch.stack([conditional, unconditional]).float(), x], dim=1)
        x = x + self._positions[: x.shape[1]]
        for index, layer in enumerate(self.layers):
            x = x + self._causal_attention(layer, x, self._cache[index].keys[row], self._cache[index].values[row])
            if layer.query is not None:
                text = self._text_keys_values(layer, conditional, index, row)
                x = torch.cat([x[:1] + self._cross_attention(layer, x[:1], *text), x[1:]])
            x = x + prefill_linear(layer.down, functional.gelu(prefill_linear(layer.up, x)))
        logits = prefill_linear(self.heads, x[:, -1])
        return logits.float().view(2, self.shape.codebooks, self.shape.card)

    def _set_text_length(self, row: int, tokens: int) -> None:
        keys, _, texts, _ = self._cache[0]
        if tokens > texts.shape[2]:
            self._enlarge(self.rows, keys.shape[3], tokens)
        self._text_lengths[row] = tokens

    def _causal_attention(
        self, layer: Layer, x: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
    ) -> torch.Tensor:
        """Self-attention of prefill, `[2, S, dim]`; keys and values are written to a row's `[2, H, columns, hd]`."""
        length = x.shape[1]
        qkv = prefill_linear(layer.qkv, x).view(2, length, 3, self.shape.heads, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        keys[:, :, :length], values[:, :, :length] = key, value
        found = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return prefill_linear(layer.out, found.transpose(1, 2).flatten(2))

    def _text_keys_values(
        self, layer: Layer, text: torch.Tensor, index: int, row: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The keys and values `[1, H, L, hd]` of a text `[L, dim]`, kept for all steps."""
        assert layer.keys_values is not None
        both = functional.linear(text.to(self.dtype), layer.keys_values).view(1, len(text), 2, self.shape.heads, -1)
        keys, values = both.permute(2, 0, 3, 1, 4)
        self._cache[index].text_keys[row, :, : len(text)] = keys[0]
        self._cache[index].text_values[row, :, : len(text)] = values[0]
        return keys, values

    def _cross_attention(self, layer: Layer, x: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """Of prefill, `[1, S, dim]`."""
        assert layer.query is not None
        assert layer.out_cross is not None
        query = prefill_linear(layer.query, x).view(1, x.shape[1], self.shape.heads, -1).transpose(1, 2)
        found = functional.scaled_dot_product_attention(query, keys, values)
        return prefill_linear(layer.out_cross, found.transpose(1, 2).flatten(2))

    def decode(self, codes: torch.Tensor, positions: torch.Tensor, columns: int) -> torch.Tensor:
        """Read one more column of the first rows. Nothing is asked of the device, and no memory is allocated on it.

        Args:
            codes: `[R, K]`, int64.
            positions: `[R]`, int64: how many columns (conditions before the codes included) each row has already read.
            columns: more than any row has read.

        Returns:
            Logits `[2, R, K, card]` of the columns that follow, with and without conditions; float32. They are
            overwritten by the next step.
        """
        assert self._scratch is not None
        rows, early = len(codes), self.early
        x, qkv, attended, hidden, query, logits, partials = self._scratch.first(rows)
        conditional = x.view(rows, 2, -1)[:, 0]
        triton_kernels.embed(codes, positions, self._embeddings, self._positions, x)
        for layer, cache in zip(self.layers, self._cache, strict=True):
            self.linear(layer.qkv, x, qkv)
            memory = (cache.keys, cache.values, positions, partials)
            triton_kernels.self_attention(qkv, *memory, attended, columns=columns, early=early)
            self.linear(layer.out, attended, x, add=True)
            if layer.query is not None and layer.out_cross is not None:
                self.linear(layer.query, conditional, query)
                text, found = (cache.text_keys, cache.text_values, self._text_lengths), attended[:rows]
                triton_kernels.cross_attention(query, *text, found, early=early)
                self.linear(layer.out_cross, found, conditional, add=True)
            self.linear(layer.up, x, hidden, gelu=True)
            self.linear(layer.down, hidden, x, add=True)
        self.linear(self.heads, x, logits)
        return logits.view(rows, 2, self.shape.codebooks, self.shape.card).transpose(0, 1)

    def linear(
        self, linear: Linear, x: torch.Tensor, out: torch.Tensor, *, gelu: bool = False, add: bool = False
    ) -> None:
        """A linear layer over few lines, by our kernel."""
        triton_kernels.linear(x, linear.weight, out, norm=linear.norm, gelu=gelu, add=add, early=self.early)

    def move_row(self, source: int, target: int, length: int) -> None:
        """Give one row's place to another, so that the rows at work stay side by side."""
        for cache in self._cache:
            for each in (cache.keys, cache.values):
                each[target, ..., :length, :] = each[source, ..., :length, :]
            for each in (cache.text_keys, cache.text_values):
                each[target] = each[source]
        self._text_lengths[target] = self._text_lengths[source]


def _round_up(number: int, step: int) -> int:
    return -(-number // step) * step


def _enlarged(memory: torch.Tensor, size: tuple[int, ...], fill: int = 0) -> torch.Tensor:
    """The same in larger memory."""
    if tuple(memory.shape) == size:
        return memory
    larger = memory.new_full(size, fill)
    larger[tuple(map(slice, memory.shape))] = memory
    return larger
