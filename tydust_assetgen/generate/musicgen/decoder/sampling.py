"""Drawing the next tokens of many rows. In walk logits and noise, out walk tokens: audiocraft's own, to the last one.

`torch.multinomial` of one sample is the largest share of probability over exponential noise. The noise comes from each
row's own generator, which makes a row independent of its neighbours. Every row draws in its own way; nothing here asks
the device for an answer, so that it can stand in a graph.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from tydust_assetgen.generate.musicgen.decoder.requests import Sampling


class Kind(NamedTuple):
    """What the host must know of how all rows draw."""

    deepest: int
    """The largest `top_k`."""
    nucleus: bool
    """Whether any row uses `top_p`."""


class Ways:
    """How each row draws, as tensors."""

    def __init__(self, rows: int, device: torch.device) -> None:
        self._asked = [Sampling(top_k=0)] * rows
        self._numbers = torch.ones((4, rows, 1, 1), device=device)
        self._depths = torch.zeros((rows, 1, 1), dtype=torch.long, device=device)

    def set(self, row: int, how: Sampling) -> None:
        """From now on this row draws so."""
        self._asked[row] = how
        numbers = [how.temperature or 1.0, how.top_p, how.cfg_coef, float(how.temperature <= 0)]
        self._numbers[:, row, 0, 0] = torch.tensor(numbers, device=self._numbers.device)
        self._depths[row] = how.top_k

    def move(self, source: int, target: int) -> None:
        """One row draws as another does."""
        self.set(target, self._asked[source])

    def kind(self, rows: slice) -> Kind:
        """Of some rows together."""
        asked = self._asked[rows]
        return Kind(max(how.top_k for how in asked), any(how.top_p > 0 for how in asked))

    def drawn(self, logits: torch.Tensor, noise: torch.Tensor, rows: slice, kind: Kind) -> torch.Tensor:
        """One token for each codebook of some rows.

        Args:
            logits: `[2, R, K, card]`, with and without conditions.
            noise: `[R, K, card]`, exponential.
            rows: which ones.
            kind: of these rows.

        Returns:
            `[R, K]` tokens.
        """
        temperature, top_p, coefficient, greedy = self._numbers[:, rows].unbind()
        heard, unheard = logits.unbind()
        guided = unheard + (heard - unheard) * coefficient
        shares = torch.softmax(guided / temperature, dim=-1)
        kept = _likeliest(shares, self._depths[rows], kind.deepest) if kind.deepest else shares
        tokens = (kept / noise).argmax(-1)
        if kind.nucleus:
            tokens = torch.where(top_p[..., 0] > 0, _nucleus(shares, top_p, noise), tokens)
        return torch.where(greedy[..., 0] > 0, guided.argmax(-1), tokens)


def _likeliest(shares: torch.Tensor, depths: torch.Tensor, deepest: int) -> torch.Tensor:
    """Only the likeliest tokens, and those that are exactly as likely as the last of them; all where the depth is 0."""
    ordered = torch.topk(shares, deepest, dim=-1).values
    last = (depths - 1).clamp(min=0).expand(*shares.shape[:-1], 1)
    kept = shares * (shares >= ordered.gather(-1, last)).float()
    return torch.where(depths > 0, kept / kept.sum(dim=-1, keepdim=True), shares)


def _nucleus(shares: torch.Tensor, most: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """From the likeliest tokens that together have a share of `most`."""
    ordered, tokens = torch.sort(shares, dim=-1, descending=True)
    beyond = torch.cumsum(ordered, dim=-1) - ordered > most
    kept = ordered * (~beyond).float()
    place = (kept / kept.sum(dim=-1, keepdim=True) / noise).argmax(-1, keepdim=True)
    return tokens.gather(-1, place)[..., 0]
