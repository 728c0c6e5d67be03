"""Weights for a GPU. In walks one of audiocraft's layers, out walk its tensors, in the type that they are played in.

Where they have that type already they are audiocraft's own.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch.nn import functional

from tydust_assetgen.generate.musicgen.decoder.cuda import triton_kernels
from tydust_assetgen.generate.musicgen.decoder.cuda.triton_kernels import Norm


class Linear(NamedTuple):
    """A weight, and the norm of what it is multiplied with."""

    weight: torch.Tensor  # [N, K]
    norm: Norm | None
    before: Any
    """The same norm for prefill: a function of `[..., K]`, float32."""


class Layer(NamedTuple):
    """The weights of one layer."""

    qkv: Linear
    out: Linear
    query: Linear | None
    words: torch.Tensor | None  # [2 dim, dim], the keys and values of a text, used once for each
    out_cross: Linear | None
    up: Linear
    down: Linear


def read(linear: Linear, x: torch.Tensor) -> torch.Tensor:
    """A product over many columns, as torch does it."""
    return functional.linear(linear.before(x).to(linear.weight.dtype), linear.weight)


def layer_of(layer: Any, dim: int, dtype: torch.dtype) -> Layer:
    """The weights of one of audiocraft's layers."""
    attention, cross = layer.self_attn, layer.cross_attention
    asks = linear_of(cross.in_proj_weight[:dim], dtype, layer.norm_cross) if cross is not None else None
    return Layer(
        qkv=linear_of(attention.in_proj_weight, dtype, layer.norm1),
        out=linear_of(attention.out_proj.weight, dtype),
        query=asks,
        words=cross.in_proj_weight[dim:].detach().to(dtype) if cross is not None else None,
        out_cross=linear_of(cross.out_proj.weight, dtype) if cross is not None else None,
        up=linear_of(layer.linear1.weight, dtype, layer.norm2),
        down=linear_of(layer.linear2.weight, dtype),
    )


def linear_of(weight: torch.Tensor, dtype: torch.dtype, norm: Any = None) -> Linear:
    """A weight `[N, K]`, and the norm of what it is multiplied with, if there is one."""
    weight = weight.detach().to(dtype)
    if norm is None:
        return Linear(weight, None, lambda x: x)
    return Linear(weight, triton_kernels.folded(norm, weight), _before(norm))


def _before(norm: Any) -> Any:
    weight, bias, eps = norm.weight.detach().float(), norm.bias.detach().float(), norm.eps
    return lambda x: functional.layer_norm(x, weight.shape, weight, bias, eps)
