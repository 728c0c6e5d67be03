"""The transformer, unrolled: prefill reads many columns of one row at once, decode one column of every row.

The weights are audiocraft's own tensors. Keys and values lie in memory that is taken once. A row is two lines of a
batch: the one that hears its conditions and, `rows` further down, the one that hears none, for classifier-free
guidance. The second one's cross-attention adds nothing, since without biases nothing comes of hearing nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch.nn import functional

from tydust_assetgen.generate.musicgen.decoder.shape import Shape

Linear: TypeAlias = Callable[[torch.Tensor], torch.Tensor]
_GROWTH = 512
"""Columns by which the memory grows: 10 s of music."""


@dataclass(frozen=True)
class Layer:
    """The weights of one layer."""

    norm: Linear
    qkv: Linear
    out: Linear
    norm_cross: Linear | None
    query: Linear | None
    keys_values: torch.Tensor | None  # [2 dim, dim], used once for each text
    out_cross: Linear | None
    norm_ff: Linear
    up: Linear
    down: Linear


class Network:
    """A model's weights, and the keys and values of the rows that it plays.

    Args:
        lm: audiocraft's language model, in eval mode, in float32 on the CPU.
        shape: its sizes.
        rows: how many tracks at once.
    """

    def __init__(self, lm: Any, shape: Shape, *, rows: int) -> None:
        self.shape, self.rows = shape, rows
        self._embeddings = [each.weight.detach() for each in lm.emb]  # K of [card + 1, dim]
        self._heads = _linear(torch.cat([each.weight.detach() for each in lm.linears]))
        self._norm = _norm(lm.out_norm)
        self._layers = [_layer(each, shape) for each in lm.transformer.layers]
        self._heard: list[list[tuple[torch.Tensor, torch.Tensor]]] = [[] for _ in range(rows)]
        self._columns = 0
        self._keys = self._values = torch.zeros(0)  # [layers, 2 rows, H, columns, hd]

    def _reserve(self, columns: int) -> None:
        """Have memory for so many columns of each row; what is there stays."""
        if columns <= self._columns:
            return
        grown = -(-columns // _GROWTH) * _GROWTH
        size = (self.shape.layers, 2 * self.rows, self.shape.heads, grown, self.shape.head_dim)
        keys, values = torch.zeros(size), torch.zeros(size)
        if self._columns:
            keys[..., : self._columns, :], values[..., : self._columns, :] = self._keys, self._values
        self._keys, self._values, self._columns = keys, values, grown
        self._positions = _positions(self.shape, grown)

    def begin(self, row: int, columns: torch.Tensor, heard: torch.Tensor, unheard: torch.Tensor) -> torch.Tensor:
        """Read the first columns of a row.

        Args:
            row: which one.
            columns: `[K, S]` codes, special tokens where there is none.
            heard: `[L, dim]` what the row is led by: through cross-attention, or standing before the codes.
            unheard: `[L, dim]` what stands before the codes where nothing is to be heard; unused with cross-attention.

        Returns:
            Logits `[2, K, card]` of the column that follows, with and without conditions.
        """
        x = self._embedded(columns[None]).expand(2, -1, -1)  # [2, S, dim]
        if self.shape.cross:
            self._heard[row] = [self._projected(layer, heard) for layer in self._layers]
        else:
            x = torch.cat([torch.stack([heard, unheard]), x], dim=1)
        length = x.shape[1]
        self._reserve(length)
        x = x + self._positions[:length]
        lines = [row, row + self.rows]
        for index, layer in enumerate(self._layers):
            query, key, value = self._split(layer.qkv(layer.norm(x)))
            self._keys[index, lines, :, :length] = key
            self._values[index, lines, :, :length] = value
            x = x + layer.out(_merged(functional.scaled_dot_product_attention(query, key, value, is_causal=True)))
            if layer.query is not None:
                x = torch.cat([x[:1] + self._cross(layer, x[:1], [row], index), x[1:]])
            x = x + layer.down(functional.gelu(layer.up(layer.norm_ff(x))))
        return self._logits(x[:, -1])

    def step(self, codes: torch.Tensor, at: Sequence[int]) -> torch.Tensor:
        """Read one more column of the first rows.

        Args:
            codes: `[R, K]`.
            at: for each row how many columns (conditions before the codes included) it has already read.

        Returns:
            Logits `[2, R, K, card]` of the columns that follow, with and without conditions.
        """
        rows, longest = len(at), max(at) + 1
        self._reserve(longest)
        place = torch.tensor(at)
        x = self._embedded(codes[:, :, None])[:, 0] + self._positions[place]
        x = x.repeat(2, 1)[:, None]  # [2R, 1, dim]
        lines = torch.cat([torch.arange(rows), torch.arange(rows) + self.rows])
        both = place.repeat(2)
        mask = None if len(set(at)) == 1 else (torch.arange(longest) <= both[:, None])[:, None, None]
        for index, layer in enumerate(self._layers):
            query, key, value = self._split(layer.qkv(layer.norm(x)))
            self._keys[index, lines, :, both] = key[:, :, 0]
            self._values[index, lines, :, both] = value[:, :, 0]
            keys, values = self._keys[index, :, :, :longest], self._values[index, :, :, :longest]
            if rows < self.rows:
                keys, values = keys[lines], values[lines]
            x = x + layer.out(_merged(functional.scaled_dot_product_attention(query, keys, values, attn_mask=mask)))
            if layer.query is not None:
                x = torch.cat([x[:rows] + self._cross(layer, x[:rows], range(rows), index), x[rows:]])
            x = x + layer.down(functional.gelu(layer.up(layer.norm_ff(x))))
        return self._logits(x[:, 0]).view(2, rows, self.shape.codebooks, self.shape.card)

    def move(self, source: int, target: int, length: int) -> None:
        """Give one row's place to another, so that the rows at work stay side by side."""
        for memory in (self._keys, self._values):
            for half in (0, self.rows):
                memory[:, target + half, :, :length] = memory[:, source + half, :, :length]
        self._heard[target] = self._heard[source]

    def _embedded(self, columns: torch.Tensor) -> torch.Tensor:
        """`[B, K, S]` codes to `[B, S, dim]`, added up in audiocraft's order."""
        x = functional.embedding(columns[:, 0], self._embeddings[0])
        for book in range(1, self.shape.codebooks):
            x = x + functional.embedding(columns[:, book], self._embeddings[book])
        return x

    def _split(self, projected: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        batch, length, _ = projected.shape
        query, key, value = projected.view(batch, length, 3, self.shape.heads, -1).permute(2, 0, 3, 1, 4)
        return query, key, value

    def _projected(self, layer: Layer, heard: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """A text's keys and values `[1, H, L, hd]`: they are the same at every step."""
        assert layer.keys_values is not None
        both = functional.linear(heard, layer.keys_values).view(1, heard.shape[0], 2, self.shape.heads, -1)
        keys, values = both.permute(2, 0, 3, 1, 4)
        return keys.contiguous(), values.contiguous()

    def _cross(self, layer: Layer, x: torch.Tensor, rows: Any, index: int) -> torch.Tensor:
        """What each row hears. Texts differ in length, and padding would be heard: each row asks its own."""
        assert layer.query is not None
        assert layer.norm_cross is not None
        assert layer.out_cross is not None
        batch, length, _ = x.shape
        query = layer.query(layer.norm_cross(x)).view(batch, length, self.shape.heads, -1).transpose(1, 2)
        heard = [
            functional.scaled_dot_product_attention(query[n : n + 1], *self._heard[row][index])
            for n, row in enumerate(rows)
        ]
        return layer.out_cross(_merged(torch.cat(heard)))

    def _logits(self, x: torch.Tensor) -> torch.Tensor:
        return self._heads(self._norm(x)).view(len(x), self.shape.codebooks, self.shape.card)


def _merged(x: torch.Tensor) -> torch.Tensor:
    """`[B, H, S, hd]` to `[B, S, dim]`."""
    return x.transpose(1, 2).flatten(2)


def _linear(weight: torch.Tensor) -> Linear:
    return lambda x: functional.linear(x, weight)


def _norm(norm: Any) -> Linear:
    weight, bias, eps = norm.weight.detach(), norm.bias.detach(), norm.eps
    return lambda x: functional.layer_norm(x, weight.shape, weight, bias, eps)


def _layer(layer: Any, shape: Shape) -> Layer:
    attention, cross = layer.self_attn, layer.cross_attention
    dim = shape.dim
    return Layer(
        norm=_norm(layer.norm1),
        qkv=_linear(attention.in_proj_weight.detach()),
        out=_linear(attention.out_proj.weight.detach()),
        norm_cross=_norm(layer.norm_cross) if cross is not None else None,
        query=_linear(cross.in_proj_weight.detach()[:dim]) if cross is not None else None,
        keys_values=cross.in_proj_weight.detach()[dim:] if cross is not None else None,
        out_cross=_linear(cross.out_proj.weight.detach()) if cross is not None else None,
        norm_ff=_norm(layer.norm2),
        up=_linear(layer.linear1.weight.detach()),
        down=_linear(layer.linear2.weight.detach()),
    )


def _positions(shape: Shape, columns: int) -> torch.Tensor:
    """Sinusoids `[columns, dim]`: cosines, then sines (A. Vaswani et al., "Attention Is All You Need", 2017, section
    3.5, in audiocraft's arrangement)."""
    half = shape.dim // 2
    period = torch.full([], shape.max_period) ** (torch.arange(half, dtype=torch.float32) / (half - 1))
    phase = torch.arange(columns, dtype=torch.float32)[:, None] / period
    return shape.positional_scale * torch.cat([torch.cos(phase), torch.sin(phase)], dim=-1)
