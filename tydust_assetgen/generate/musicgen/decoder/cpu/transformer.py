"""The transformer on a CPU: prefill reads many columns of one row at once, decode reads one column of every row.

In fp32 the weights are audiocraft's own tensors. Keys and values lie in memory that is allocated once. A row is one
track, as two halves of the batch: the conditional one, and beside it the unconditional one, for classifier-free
guidance. Cross-attention adds nothing to the second one, since without biases nothing comes of an empty text.

A row's bits don't depend on the rows beside it. Products of few lines are the same for each of them (up to how many,
`max_rows` says), and attention, where the number of columns decides in which order is added up, runs once for each
number of columns: neighbouring rows that have read as many run together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, TypeAlias

import torch
from torch.nn import functional

from tydust_assetgen.generate.musicgen.decoder.config import Shape
from tydust_assetgen.generate.musicgen.decoder.cpu.linear import CpuPrecision
from tydust_assetgen.generate.musicgen.decoder.cpu.matmul import MAX_TRACKS, make_linear, max_reproducible_tracks
from tydust_assetgen.generate.musicgen.decoder.cpu.weights import Layer, layer_norm, layer_weights
from tydust_assetgen.generate.musicgen.decoder.embeddings import embed_codes, sinusoidal_positions

KeysValues: TypeAlias = tuple[torch.Tensor, torch.Tensor]


class CpuTransformer:
    """A model's weights on the CPU, and the keys and values of the rows that it decodes.

    Args:
        lm: audiocraft's language model, in eval mode, in float32; the weights of its products may be float16 as stored.
        shape: its sizes.
        precision: of the products with weights: `fp32`, `bf16` or `int8`.
    """

    def __init__(self, lm: Any, shape: Shape, precision: CpuPrecision = "fp32") -> None:
        self.shape, self.device = shape, torch.device("cpu")
        self._precision: CpuPrecision = precision
        self.allocations = 0
        self._embeddings = [each.weight.detach() for each in lm.emb]  # K of [card + 1, dim]
        self._heads = make_linear(torch.cat([each.weight.detach() for each in lm.linears]), precision)
        self._norm = layer_norm(lm.out_norm)
        self._layers = [layer_weights(each, shape.dim, precision) for each in lm.transformer.layers]
        self._row_texts: list[list[KeysValues]] = []  # of each row, of each layer [1, H, L, hd]
        self._texts: list[list[KeysValues]] = []  # of each layer, for all rows: [b, H, L, hd] of each length
        self._keys: torch.Tensor  # [layers, rows, 2, H, columns, hd]
        self._values: torch.Tensor
        self.free()

    @property
    def max_rows(self) -> int:
        """How many tracks it can decode at once, each with the same bits as alone; with this number of threads."""
        linears = [self._heads, *(linear for layer in self._layers for linear in layer.linears)]
        if all(linear.batch_invariant for linear in linears):
            return MAX_TRACKS
        return max_reproducible_tracks(self._precision, self.shape)

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
        self._keys, self._values = (_enlarged(memory, size) for memory in (self._keys, self._values))
        self.allocations += 1
        self._positions = sinusoidal_positions(self.shape, columns)
        self._row_texts += [[] for _ in range(rows - len(self._row_texts))]

    def free(self) -> None:
        """Give the memory of all rows back."""
        shape = self.shape
        self._row_texts, self._texts = [], []
        self._keys = self._values = torch.zeros((shape.layers, 0, 2, shape.heads, 0, shape.head_dim))
        self.allocations += 1

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
            Logits `[2, K, card]` of the column that follows, with and without conditions.

        All is computed for both halves and for all columns, as in audiocraft, also where it is not needed: the products
        are then of the same size, and have the same last bits.
        """
        x = embed_codes(columns[None], self._embeddings).expand(2, -1, -1)  # [2, S, dim]
        both = torch.stack([conditional, unconditional])
        if not self.shape.cross:
            x = torch.cat([both, x], dim=1)
        x = x + self._positions[: x.shape[1]]
        self._row_texts[row], self._texts = [], []
        for index, layer in enumerate(self._layers):
            x = x + self._causal_attention(layer, x, self._keys[index, row], self._values[index, row])
            if layer.out_cross is not None:
                keys, values = self._text_keys_values(layer, both)
                self._row_texts[row].append((keys[:1], values[:1]))
                x = x + layer.out_cross(self._cross_attention(layer, x, [(keys, values)]))
            x = x + layer.down(functional.gelu(layer.up(layer.norm_ff(x))))
        return self._logits(x)[:, -1]

    def decode(self, codes: torch.Tensor, positions: torch.Tensor, columns: int) -> torch.Tensor:
        """Read one more column of the first rows.

        Args:
            codes: `[R, K]`.
            positions: `[R]`, for each row how many columns (conditions before the codes included) it has already read.
            columns: unused here: how many columns no row is beyond.

        Returns:
            Logits `[2, R, K, card]` of the columns that follow, with and without conditions.
        """
        del columns
        memory, texts = self._memory(positions.tolist()), self._texts_of(len(positions))
        x = self._embed(codes, positions)  # [2R, dim]
        for index, layer in enumerate(self._layers):
            layer.out.add(self._self_attention(layer.qkv(layer.norm(x)), memory[index]), x)
            if layer.out_cross is not None:
                found = self._cross_attention(layer, x[::2, None], texts[index])[:, 0]
                layer.out_cross.add(found, x, stride=2)
            layer.down.add(functional.gelu(layer.up(layer.norm_ff(x))), x)
        return self._split_guidance(self._logits(x))

    def move_row(self, source: int, target: int, length: int) -> None:
        """Give one row's place to another, so that the rows at work stay side by side."""
        for memory in (self._keys, self._values):
            memory[:, target, :, :, :length] = memory[:, source, :, :, :length]
        self._row_texts[target], self._texts = self._row_texts[source], []

    def _texts_of(self, rows: int) -> list[list[KeysValues]]:
        """The texts of the first rows, by layer; batched once, until a row comes or goes."""
        texts = self._row_texts[:rows]
        if not self._texts or sum(len(keys) for keys, _ in self._texts[0]) != rows:
            self._texts = [self._batched_texts(pairs) for pairs in zip(*texts, strict=True)]
        return self._texts

    def _batched_texts(self, pairs: Sequence[KeysValues]) -> list[KeysValues]:
        """Keys and values of rows; of neighbours whose texts are of one length, together."""
        groups = [list(group) for _, group in groupby(pairs, key=lambda pair: pair[0].shape[2])]
        return [
            (torch.cat([keys for keys, _ in group]), torch.cat([values for _, values in group])) for group in groups
        ]

    def _memory(self, positions: list[int]) -> list[list[KeysValues]]:
        """Of each layer the keys and values `[2r, H, columns, hd]` of rows that have read as much, up to and with the
        column that is read now. All layers are cut at once: a step has hundreds of such small operations."""
        runs = [
            [memory[:, rows, :, :, : position + 1].flatten(1, 2).unbind() for memory in (self._keys, self._values)]
            for rows, position in _equal_runs(positions)
        ]
        return [[(keys[index], values[index]) for keys, values in runs] for index in range(self.shape.layers)]

    def _causal_attention(
        self, layer: Layer, x: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
    ) -> torch.Tensor:
        """Self-attention of prefill, `[2, S, dim]`; keys and values are written to a row's `[2, H, columns, hd]`."""
        batch, length, _ = x.shape
        qkv = layer.qkv(layer.norm(x)).view(batch, length, 3, self.shape.heads, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        keys[:, :, :length], values[:, :, :length] = key, value
        found = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return layer.out(_merge_heads(found))

    def _self_attention(self, qkv: torch.Tensor, memory: list[KeysValues]) -> torch.Tensor:
        """Of each row's two halves `[2R, 3 dim]` over what they have read, this column included: `[2R, dim]`."""
        parts = qkv.view(len(qkv), 3, self.shape.heads, -1)
        found = []
        for part, (keys, values) in zip(parts.split([len(keys) for keys, _ in memory]), memory, strict=True):
            query, key, value = part.unbind(1)
            keys[:, :, -1], values[:, :, -1] = key, value
            found.append(functional.scaled_dot_product_attention(query[:, :, None], keys, values))
        return _cat(found).flatten(1)

    def _embed(self, codes: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """A column `[R, K]` of each row, at its position, for both halves: `[2R, dim]`."""
        x = embed_codes(codes[:, :, None], self._embeddings)[:, 0] + self._positions[positions]
        return x.repeat_interleave(2, dim=0)

    def _split_guidance(self, logits: torch.Tensor) -> torch.Tensor:
        """`[2R, K, card]` to `[2, R, K, card]`."""
        return logits.unflatten(0, (-1, 2)).transpose(0, 1)

    def _text_keys_values(self, layer: Layer, text: torch.Tensor) -> KeysValues:
        """Keys and values `[2, H, L, hd]` of a text `[2, L, dim]`: they are the same at every step."""
        assert layer.keys_values is not None
        keys, values = (
            functional.linear(text, weight).view(*text.shape[:2], self.shape.heads, -1).transpose(1, 2).contiguous()
            for weight in layer.keys_values.float().chunk(2)
        )
        return keys, values

    def _cross_attention(self, layer: Layer, x: torch.Tensor, texts: list[KeysValues]) -> torch.Tensor:
        """Of each row to its own text: texts differ in length, and padding would be attended to.

        Args:
            layer: whose weights.
            x: `[B, S, dim]`.
            texts: keys and values `[b, H, L, hd]`, each for the next b of B.
        """
        assert layer.query is not None
        assert layer.norm_cross is not None
        batch, length, _ = x.shape
        query = layer.query(layer.norm_cross(x)).view(batch, length, self.shape.heads, -1).transpose(1, 2)
        queries = query.split([len(keys) for keys, _ in texts])
        found = [
            functional.scaled_dot_product_attention(one, keys, values)
            for one, (keys, values) in zip(queries, texts, strict=True)
        ]
        return _merge_heads(_cat(found))

    def _logits(self, x: torch.Tensor) -> torch.Tensor:
        return self._heads(self._norm(x)).view(*x.shape[:-1], self.shape.codebooks, self.shape.card)


def _equal_runs(positions: list[int]) -> Iterator[tuple[slice, int]]:
    """Neighbouring rows at the same position, and the position."""
    start = 0
    for position, rows in groupby(positions):
        stop = start + len(list(rows))
        yield slice(start, stop), position
        start = stop


def _cat(tensors: list[torch.Tensor]) -> torch.Tensor:
    return tensors[0] if len(tensors) == 1 else torch.cat(tensors)


def _merge_heads(x: torch.Tensor) -> torch.Tensor:
    """`[B, H, S, hd]` to `[B, S, dim]`."""
    return x.transpose(1, 2).flatten(2)


def _enlarged(memory: torch.Tensor, size: tuple[int, ...]) -> torch.Tensor:
    """The same in larger memory. It is not zeroed: that would touch gigabytes which a short track never uses, and no
    column is read before it is written."""
    larger = torch.empty(size)
    _, rows, _, _, columns, _ = memory.shape
    larger[:, :rows, :, :, :columns] = memory
    return larger
