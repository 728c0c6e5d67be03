"""The weights of one transformer layer on a GPU, in the type that is computed in.

Where they have that type already they are audiocraft's own.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch.nn import functional

from tydust_assetgen.generate.musicgen.decoder.cuda import triton_kernels
from tydust_assetgen.generate.musicgen.decoder.cuda.triton_kernels import Norm


class Linear(NamedTuple):
    """A weight, and the norm of its input."""

    weight: torch.Tensor  # [N, K]
    norm: Norm | None
    norm_function: Any
    """The same norm for prefill: a function of `[..., K]`, float32; without a norm the identity."""


class Layer(NamedTuple):
    """The weights of one layer."""

    qkv: Linear  # dim to 3 dim
    out: Linear  # dim to dim
    query: Linear | None
    keys_values: torch.Tensor | None  # [2 dim, dim], used once for each text
    out_cross: Linear | None
    up: Linear  # dim to 4 dim
    down: Linear  # 4 dim to dim


def prefill_linear(linear: Linear, x: torch.Tensor) -> torch.Tensor:
    """A product over many columns, as torch does it."""
    return functional.linear(linear.norm_function(x).to(linear.weight.dtype), linear.weight)


def layer_weights(layer: Any, dim: int, dtype: torch.dtype) -> Layer:
    """The weights of one of audiocraft's layers."""
    attention, cross = layer.self_attn, layer.cross_attention
    query = make_linear(cross.in_proj_weight[:dim], dtype, layer.norm_cross) if cross is not None else None
    return Layer(
        qkv=make_linear(attention.in_proj_weight, dtype, layer.norm1),
        out=make_linear(attention.out_proj.weight, dtype),
        query=query,
        keys_values=cross.in_proj_weight[dim:].detach().to(dtype) if cross is not None else None,
        out_cross=make_linear(cross.out_proj.weight, dtype) if cross is not None else None,
        up=make_linear(layer.linear1.weight, dtype, layer.norm2),
        down=make_linear(layer.linear2.weight, dtype),
    )


def make_linear(weight: torch.Tensor, dtype: torch.dtype, norm: Any = None) -> Linear:
    """Of a weight `[N, K]` and the norm of its input, if there is one."""
    weight = weight.detach().to(dtype)
    if norm is None:
        return Linear(weight, None, lambda x: x)
    return Linear(weight, triton_kernels.fold_norm(norm, weight), _norm_function(norm))


def _norm_function(norm: Any) -> Any:
    weight, bias, eps = norm.weight.detach().float(), norm.bias.detach().float(), norm.eps
    return lambda x: functional.layer_norm(x, weight.shape, weight, bias, eps)
