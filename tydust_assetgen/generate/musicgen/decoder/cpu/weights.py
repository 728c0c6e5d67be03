"""The weights of one transformer layer on a CPU, taken from audiocraft's own module."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch.nn import functional

from tydust_assetgen.generate.musicgen.decoder.cpu.linear import CpuPrecision, Linear
from tydust_assetgen.generate.musicgen.decoder.cpu.matmul import make_linear

Norm: TypeAlias = Callable[[torch.Tensor], torch.Tensor]
"""A layer norm over the last dimension."""


@dataclass(frozen=True)
class Layer:
    """The weights of one layer: self-attention, cross-attention (where the model has it), feed-forward."""

    norm: Norm
    qkv: Linear  # dim to 3 dim
    out: Linear  # dim to dim
    norm_cross: Norm | None
    query: Linear | None  # dim to dim
    keys_values: torch.Tensor | None  # [2 dim, dim], used once for each text
    out_cross: Linear | None  # dim to dim
    norm_ff: Norm
    up: Linear  # dim to 4 dim
    down: Linear  # 4 dim to dim

    @property
    def linears(self) -> list[Linear]:
        every = (self.qkv, self.out, self.query, self.out_cross, self.up, self.down)
        return [each for each in every if each is not None]


def layer_norm(norm: Any) -> Norm:
    """A `torch.nn.LayerNorm` as a function."""
    weight, bias, eps = norm.weight.detach(), norm.bias.detach(), norm.eps
    return lambda x: functional.layer_norm(x, weight.shape, weight, bias, eps)


def layer_weights(layer: Any, dim: int, precision: CpuPrecision) -> Layer:
    """The weights of one of audiocraft's layers, in a precision."""
    attention, cross = layer.self_attn, layer.cross_attention

    def linear(weight: torch.Tensor) -> Linear:
        return make_linear(weight.detach(), precision)

    return Layer(
        norm=layer_norm(layer.norm1),
        qkv=linear(attention.in_proj_weight),
        out=linear(attention.out_proj.weight),
        norm_cross=layer_norm(layer.norm_cross) if cross is not None else None,
        query=linear(cross.in_proj_weight[:dim]) if cross is not None else None,
        keys_values=_keys_values(cross, dim, precision) if cross is not None else None,
        out_cross=linear(cross.out_proj.weight) if cross is not None else None,
        norm_ff=layer_norm(layer.norm2),
        up=linear(layer.linear1.weight),
        down=linear(layer.linear2.weight),
    )


def _keys_values(cross: Any, dim: int, precision: CpuPrecision) -> torch.Tensor:
    """What makes keys and values of texts `[2 dim, dim]`. A copy where the model gives up its own weights: a view would
    keep all of them in memory."""
    weight: torch.Tensor = cross.in_proj_weight.detach()[dim:]
    return weight if precision == "fp32" else weight.clone()
