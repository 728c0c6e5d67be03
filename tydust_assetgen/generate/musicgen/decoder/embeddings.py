"""What the transformer adds up for a column of codes: an embedding for each codebook, and one for its position."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional

from tydust_assetgen.generate.musicgen.decoder.config import Shape


def embed_codes(codes: torch.Tensor, embeddings: Sequence[torch.Tensor] | torch.Tensor) -> torch.Tensor:
    """The sum over the codebooks, in audiocraft's order, which decides the last bits.

    Args:
        codes: `[B, K, S]`.
        embeddings: K of `[card + 1, dim]`.

    Returns:
        `[B, S, dim]`.
    """
    x = functional.embedding(codes[:, 0], embeddings[0])
    for book in range(1, codes.shape[1]):
        x = x + functional.embedding(codes[:, book], embeddings[book])
    return x


def sinusoidal_positions(shape: Shape, columns: int) -> torch.Tensor:
    """Of positions `[columns, dim]`: cosines, then sines (A. Vaswani et al., "Attention Is All You Need", 2017, section
    3.5, in audiocraft's arrangement)."""
    half = shape.dim // 2
    period = torch.full([], shape.max_period) ** (torch.arange(half, dtype=torch.float32) / (half - 1))
    phase = torch.arange(columns, dtype=torch.float32)[:, None] / period
    return shape.positional_scale * torch.cat([torch.cos(phase), torch.sin(phase)], dim=-1)
