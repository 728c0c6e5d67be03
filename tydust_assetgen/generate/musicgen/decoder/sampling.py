"""Drawing the next tokens of one row. In walk logits and dice, out walk tokens: audiocraft's own, to the last one.

`torch.multinomial` of one sample is the largest share of probability over exponential noise; drawing that noise from
a row's own generator makes a row independent of its neighbours. All codebooks draw at every step, also those whose
token is known already, as audiocraft's do.
"""

from __future__ import annotations

from typing import NamedTuple

import torch


class Sampling(NamedTuple):
    """How a row draws."""

    temperature: float = 1.0
    """0: always the likeliest."""
    top_k: int = 250
    top_p: float = 0.0
    cfg_coef: float = 3.0


def drawn(heard: torch.Tensor, unheard: torch.Tensor, how: Sampling, dice: torch.Generator) -> torch.Tensor:
    """One token for each codebook.

    Args:
        heard, unheard: logits `[K, card]`, with and without conditions.
        how: temperature and the like.
        dice: the row's own.

    Returns:
        `[K]` tokens.
    """
    logits = unheard + (heard - unheard) * how.cfg_coef
    if how.temperature <= 0:
        return logits.argmax(-1)
    shares = torch.softmax(logits / how.temperature, dim=-1)
    if how.top_p > 0:
        return _nucleus(shares, how.top_p, dice)
    return _multinomial(_likeliest(shares, how.top_k) if how.top_k else shares, dice)


def _likeliest(shares: torch.Tensor, count: int) -> torch.Tensor:
    """Only the likeliest tokens, and those that are exactly as likely as the last of them."""
    least = torch.topk(shares, count, dim=-1).values[..., [-1]]
    kept = shares * (shares >= least).float()
    return kept / kept.sum(dim=-1, keepdim=True)


def _nucleus(shares: torch.Tensor, most: float, dice: torch.Generator) -> torch.Tensor:
    """From the likeliest tokens that together have a share of `most`."""
    ordered, tokens = torch.sort(shares, dim=-1, descending=True)
    beyond = torch.cumsum(ordered, dim=-1) - ordered > most
    kept = ordered * (~beyond).float()
    place = _multinomial(kept / kept.sum(dim=-1, keepdim=True), dice)
    return tokens.gather(-1, place[:, None])[:, 0]


def _multinomial(shares: torch.Tensor, dice: torch.Generator) -> torch.Tensor:
    noise = torch.empty_like(shares).exponential_(1, generator=dice)
    return (shares / noise).argmax(-1)
