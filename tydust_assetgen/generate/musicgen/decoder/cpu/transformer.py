"""The transformer, unrolled: prefill reads many columns of one row at once, decode one column of every row.

In fp32 the weights are audiocraft's own tensors. Keys and values lie in memory that is taken once. A row is two lines
of a batch: the one that hears its conditions, and beside it the one that hears none, for classifier-free guidance. The
second one's cross-attention adds nothing, since without biases nothing comes of hearing nothing.

A row's bits don't depend on who plays beside it. Products of few lines are the same for each of them (up to how many,
`most_rows` says), and attention, where the number of columns decides in which order is added up, is asked once for
each number of columns: rows side by side that have read as much ask together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeAlias

import torch
from torch.nn import functional

from tydust_assetgen.generate.musicgen.decoder.config import Shape
from tydust_assetgen.generate.musicgen.decoder.cpu.matmul import MOST_ROWS, Linear, Precision, linear_of, rows_alike

Pair: TypeAlias = tuple[torch.Tensor, torch.Tensor]
"""Keys and values."""
Norm: TypeAlias = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Layer:
    """The weights of one layer."""

    norm: Norm
    qkv: Linear
    out: Linear
    norm_cross: Norm | None
    query: Linear | None
    keys_values: torch.Tensor | None  # [2 dim, dim], used once for each text
    out_cross: Linear | None
    norm_ff: Norm
    up: Linear
    down: Linear

    @property
    def products(self) -> list[Linear]:
        every = (self.qkv, self.out, self.query, self.out_cross, self.up, self.down)
        return [each for each in every if each is not None]


class Network:
    """A model's weights on the CPU, and the keys and values of the rows that it plays.

    Args:
        lm: audiocraft's language model, in eval mode, in float32; its products' weights may be float16 as stored.
        shape: its sizes.
        precision: of the products with weights: `fp32`, `bf16` or `int8`.
    """

    def __init__(self, lm: Any, shape: Shape, precision: Precision = "fp32") -> None:
        self.shape, self.device = shape, torch.device("cpu")
        self._precision: Precision = precision
        self.taken = 0
        """How often memory was taken."""
        self._embeddings = [each.weight.detach() for each in lm.emb]  # K of [card + 1, dim]
        self._heads = linear_of(torch.cat([each.weight.detach() for each in lm.linears]), precision)
        self._norm = _norm(lm.out_norm)
        self._layers = [_layer(each, shape, precision) for each in lm.transformer.layers]
        self._heard: list[list[Pair]] = []  # of each row, of each layer [1, H, L, hd]
        self._texts: list[list[Pair]] = []  # the same of each layer, for all rows at work: [b, H, L, hd] of each length
        self._keys: torch.Tensor
        """`[layers, rows, 2, H, columns, hd]`"""
        self._values: torch.Tensor
        self.clear()

    @property
    def most_rows(self) -> int:
        """How many tracks it can play at once, each with the same bits as alone; with this number of threads."""
        alike = self._heads.alike and all(each.alike for layer in self._layers for each in layer.products)
        return MOST_ROWS if alike else rows_alike(self._precision, self.shape)

    @property
    def rows(self) -> int:
        """How many it has memory for."""
        return int(self._keys.shape[1])

    def row_bytes(self, columns: int) -> int:
        """Memory of one row."""
        return 2 * self.shape.layers * 2 * self.shape.dim * columns * 4

    def reserve(self, rows: int, columns: int) -> None:
        """Have memory for so many rows of so many columns, conditions included; what is there stays."""
        has_rows, has_columns = self._keys.shape[1], self._keys.shape[4]
        if rows <= has_rows and columns <= has_columns:
            return
        rows, columns = max(rows, has_rows), max(columns, has_columns)
        size = (self.shape.layers, rows, 2, self.shape.heads, columns, self.shape.head_dim)
        self._keys, self._values = (_grown(memory, size) for memory in (self._keys, self._values))
        self.taken += 1
        self._positions = positions_of(self.shape, columns)
        self._heard += [[] for _ in range(rows - len(self._heard))]

    def clear(self) -> None:
        """Nobody plays any more: give the memory of all rows back."""
        shape = self.shape
        self._heard, self._texts = [], []
        self._keys = self._values = torch.zeros((shape.layers, 0, 2, shape.heads, 0, shape.head_dim))
        self.taken += 1

    def begin(self, row: int, columns: torch.Tensor, heard: torch.Tensor, unheard: torch.Tensor) -> torch.Tensor:
        """Read the first columns of a row.

        Args:
            row: which one.
            columns: `[K, S]` codes, special tokens where there is none.
            heard: `[L, dim]` what the row is led by: through cross-attention, or standing before the codes.
            unheard: `[L, dim]` what stands before the codes where nothing is to be heard; unused with cross-attention.

        Returns:
            Logits `[2, K, card]` of the column that follows, with and without conditions.

        All is made of both lines and of all columns, as in audiocraft, also where nobody asks for it: the products are
        then of the same size, and have the same last bits.
        """
        x = self._embedded(columns[None]).expand(2, -1, -1)  # [2, S, dim]
        both = torch.stack([heard, unheard])
        if not self.shape.cross:
            x = torch.cat([both, x], dim=1)
        length = x.shape[1]
        x = x + self._positions[:length]
        self._heard[row], self._texts = [], []
        for index, layer in enumerate(self._layers):
            query, key, value = self._split(layer.qkv(layer.norm(x)))
            self._keys[index, row, :, :, :length] = key
            self._values[index, row, :, :, :length] = value
            x = x + layer.out(_merged(functional.scaled_dot_product_attention(query, key, value, is_causal=True)))
            if layer.out_cross is not None:
                keys, values = self._projected(layer, both)
                self._heard[row].append((keys[:1], values[:1]))
                x = x + layer.out_cross(self._cross(layer, x, [(keys, values)]))
            x = x + layer.down(functional.gelu(layer.up(layer.norm_ff(x))))
        return self._logits(x)[:, -1]

    def step(self, codes: torch.Tensor, at: torch.Tensor, columns: int) -> torch.Tensor:
        """Read one more column of the first rows.

        Args:
            codes: `[R, K]`.
            at: `[R]`, for each row how many columns (conditions before the codes included) it has already read.
            columns: unused here: how many columns no row is beyond.

        Returns:
            Logits `[2, R, K, card]` of the columns that follow, with and without conditions.
        """
        del columns
        memory, texts = self._memory(at.tolist()), self._texts_of(len(at))
        x = self._read(codes, at)
        for index, layer in enumerate(self._layers):
            layer.out.add(self._looked_back(layer.qkv(layer.norm(x)), memory[index]), x)
            if layer.out_cross is not None:
                layer.out_cross.add(self._cross(layer, x[::2, None], texts[index])[:, 0], x, each=2)
            layer.down.add(functional.gelu(layer.up(layer.norm_ff(x))), x)
        return self._in_pairs(self._logits(x))

    def move(self, source: int, target: int, length: int) -> None:
        """Give one row's place to another, so that the rows at work stay side by side."""
        for memory in (self._keys, self._values):
            memory[:, target, :, :, :length] = memory[:, source, :, :, :length]
        self._heard[target], self._texts = self._heard[source], []

    def _texts_of(self, rows: int) -> list[list[Pair]]:
        """What the first rows hear, by layer; put side by side once, until somebody comes or goes."""
        heard = self._heard[:rows]
        if not self._texts or sum(len(keys) for keys, _ in self._texts[0]) != rows:
            self._texts = [self._side_by_side(pairs) for pairs in zip(*heard, strict=True)]
        return self._texts

    def _side_by_side(self, pairs: Sequence[Pair]) -> list[Pair]:
        """Keys and values of rows; of those that are neighbours and of one length, together."""
        groups = [list(group) for _, group in groupby(pairs, key=lambda pair: pair[0].shape[2])]
        return [
            (torch.cat([keys for keys, _ in group]), torch.cat([values for _, values in group])) for group in groups
        ]

    def _memory(self, places: list[int]) -> list[list[Pair]]:
        """Of each layer the keys and values `[2r, H, columns, hd]` of rows that have read as much, up to and with the
        column that is read now. All layers are cut at once: a step has hundreds of such small operations."""
        runs = [
            [memory[:, rows, :, :, : place + 1].flatten(1, 2).unbind() for memory in (self._keys, self._values)]
            for rows, place in _runs(places)
        ]
        return [[(keys[index], values[index]) for keys, values in runs] for index in range(self.shape.layers)]

    def _looked_back(self, projected: torch.Tensor, memory: list[Pair]) -> torch.Tensor:
        """What each row's two lines `[2R, 3 dim]` find in what they have read, this column included `[2R, dim]`."""
        parts = projected.view(len(projected), 3, self.shape.heads, -1)
        found = []
        for lines, (keys, values) in zip(parts.split([len(keys) for keys, _ in memory]), memory, strict=True):
            query, key, value = lines.unbind(1)
            keys[:, :, -1], values[:, :, -1] = key, value
            found.append(functional.scaled_dot_product_attention(query[:, :, None], keys, values))
        return _joined(found).flatten(1)

    def _read(self, codes: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        """A column `[R, K]` of each row, at its place, as two lines a row `[2R, dim]`."""
        x = self._embedded(codes[:, :, None])[:, 0] + self._positions[at]
        return x.repeat_interleave(2, dim=0)

    def _in_pairs(self, logits: torch.Tensor) -> torch.Tensor:
        """`[2R, K, card]` to `[2, R, K, card]`."""
        return logits.unflatten(0, (-1, 2)).transpose(0, 1)

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
        """Keys and values `[2, H, L, hd]` of a text `[2, L, dim]`: they are the same at every step."""
        assert layer.keys_values is not None
        keys, values = (
            functional.linear(heard, weight).view(*heard.shape[:2], self.shape.heads, -1).transpose(1, 2).contiguous()
            for weight in layer.keys_values.float().chunk(2)
        )
        return keys, values

    def _cross(self, layer: Layer, x: torch.Tensor, heard: list[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
        """What each row hears. Texts differ in length, and padding would be heard: each row asks its own.

        Args:
            layer: whose weights.
            x: `[B, S, dim]`.
            heard: keys and values `[b, H, L, hd]` of texts, each for the next b of B.
        """
        assert layer.query is not None
        assert layer.norm_cross is not None
        batch, length, _ = x.shape
        query = layer.query(layer.norm_cross(x)).view(batch, length, self.shape.heads, -1).transpose(1, 2)
        queries = query.split([len(keys) for keys, _ in heard])
        found = [
            functional.scaled_dot_product_attention(asked, keys, values)
            for asked, (keys, values) in zip(queries, heard, strict=True)
        ]
        return _merged(_joined(found))

    def _logits(self, x: torch.Tensor) -> torch.Tensor:
        return self._heads(self._norm(x)).view(*x.shape[:-1], self.shape.codebooks, self.shape.card)


def _runs(places: list[int]) -> Iterator[tuple[slice, int]]:
    """Rows side by side that have read as much, and how much."""
    start = 0
    for place, rows in groupby(places):
        stop = start + len(list(rows))
        yield slice(start, stop), place
        start = stop


def _joined(found: list[torch.Tensor]) -> torch.Tensor:
    return found[0] if len(found) == 1 else torch.cat(found)


def _merged(x: torch.Tensor) -> torch.Tensor:
    """`[B, H, S, hd]` to `[B, S, dim]`."""
    return x.transpose(1, 2).flatten(2)


def _norm(norm: Any) -> Norm:
    weight, bias, eps = norm.weight.detach(), norm.bias.detach(), norm.eps
    return lambda x: functional.layer_norm(x, weight.shape, weight, bias, eps)


def _layer(layer: Any, shape: Shape, precision: Precision) -> Layer:
    attention, cross = layer.self_attn, layer.cross_attention
    dim = shape.dim

    def linear(weight: torch.Tensor) -> Linear:
        return linear_of(weight.detach(), precision)

    return Layer(
        norm=_norm(layer.norm1),
        qkv=linear(attention.in_proj_weight),
        out=linear(attention.out_proj.weight),
        norm_cross=_norm(layer.norm_cross) if cross is not None else None,
        query=linear(cross.in_proj_weight[:dim]) if cross is not None else None,
        keys_values=_words(cross, dim, precision) if cross is not None else None,
        out_cross=linear(cross.out_proj.weight) if cross is not None else None,
        norm_ff=_norm(layer.norm2),
        up=linear(layer.linear1.weight),
        down=linear(layer.linear2.weight),
    )


def _grown(memory: torch.Tensor, size: tuple[int, ...]) -> torch.Tensor:
    """The same in larger memory. Nothing is put there first: that would touch gigabytes which a short track never
    uses, and no column is read before it is written."""
    grown = torch.empty(size)
    _, rows, _, _, columns, _ = memory.shape
    grown[:, :rows, :, :, :columns] = memory
    return grown


def _words(cross: Any, dim: int, precision: Precision) -> torch.Tensor:
    """What makes keys and values of texts. Where the model's weights are to go, it does not hold the others back."""
    weight: torch.Tensor = cross.in_proj_weight.detach()[dim:]
    return weight if precision == "fp32" else weight.clone()


def positions_of(shape: Shape, columns: int) -> torch.Tensor:
    """Sinusoids `[columns, dim]`: cosines, then sines (A. Vaswani et al., "Attention Is All You Need", 2017, section
    3.5, in audiocraft's arrangement)."""
    half = shape.dim // 2
    period = torch.full([], shape.max_period) ** (torch.arange(half, dtype=torch.float32) / (half - 1))
    phase = torch.arange(columns, dtype=torch.float32)[:, None] / period
    return shape.positional_scale * torch.cat([torch.cos(phase), torch.sin(phase)], dim=-1)
