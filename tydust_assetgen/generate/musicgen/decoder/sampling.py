"""Sampling the next tokens of many rows from logits and noise: audiocraft's own tokens, to the last one.

`torch.multinomial` of one sample is the largest probability over exponential noise. The noise comes from each row's own
generator, which makes a row independent of its neighbours. Every row is sampled in its own way; nothing here asks the
device for an answer, so that it can be part of a CUDA graph.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from tydust_assetgen.generate.musicgen.decoder.requests import Sampling


class SamplingMode(NamedTuple):
    """What the host must know of how all rows are sampled."""

    max_top_k: int
    any_top_p: bool


class RowSampling:
    """How each row is sampled, as tensors."""

    def __init__(self, rows: int, device: torch.device) -> None:
        self._settings = [Sampling(top_k=0)] * rows
        self._numbers = torch.ones((4, rows, 1, 1), device=device)
        self._top_k = torch.zeros((rows, 1, 1), dtype=torch.long, device=device)

    def set(self, row: int, sampling: Sampling) -> None:
        """From now on this row is sampled so."""
        self._settings[row] = sampling
        greedy = float(sampling.temperature <= 0)
        numbers = [sampling.temperature or 1.0, sampling.top_p, sampling.cfg_coef, greedy]
        self._numbers[:, row, 0, 0] = torch.tensor(numbers, device=self._numbers.device)
        self._top_k[row] = sampling.top_k

    def copy_row(self, source: int, target: int) -> None:
        """One row is sampled as another."""
        self.set(target, self._settings[source])

    def mode(self, rows: slice) -> SamplingMode:
        """Of some rows together."""
        settings = self._settings[rows]
        return SamplingMode(max(each.top_k for each in settings), any(each.top_p > 0 for each in settings))

    def sample(self, logits: torch.Tensor, noise: torch.Tensor, rows: slice, mode: SamplingMode) -> torch.Tensor:
        """One token for each codebook of some rows.

        Args:
            logits: `[2, R, K, card]`, with and without conditions.
            noise: `[R, K, card]`, exponential.
            rows: which ones.
            mode: of these rows.

        Returns:
            `[R, K]` tokens.
        """
        temperature, top_p, cfg_coef, greedy = self._numbers[:, rows].unbind()
        conditional, unconditional = logits.unbind()
        guided = unconditional + (conditional - unconditional) * cfg_coef
        probs = torch.softmax(guided / temperature, dim=-1)
        kept = _keep_top_k(probs, self._top_k[rows], mode.max_top_k) if mode.max_top_k else probs
        tokens = (kept / noise).argmax(-1)
        if mode.any_top_p:
            tokens = torch.where(top_p[..., 0] > 0, _sample_top_p(probs, top_p, noise), tokens)
        return torch.where(greedy[..., 0] > 0, guided.argmax(-1), tokens)


def _keep_top_k(probs: torch.Tensor, top_k: torch.Tensor, max_top_k: int) -> torch.Tensor:
    """Only the likeliest tokens, and those that are exactly as likely as the last of them; all where `top_k` is 0."""
    ordered = torch.topk(probs, max_top_k, dim=-1).values
    last = (top_k - 1).clamp(min=0).expand(*probs.shape[:-1], 1)
    kept = probs * (probs >= ordered.gather(-1, last)).float()
    return torch.where(top_k > 0, kept / kept.sum(dim=-1, keepdim=True), probs)


def _sample_top_p(probs: torch.Tensor, top_p: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """From the likeliest tokens that together have a probability of `top_p` (nucleus sampling)."""
    ordered, tokens = torch.sort(probs, dim=-1, descending=True)
    beyond = torch.cumsum(ordered, dim=-1) - ordered > top_p
    kept = ordered * (~beyond).float()
    place = (kept / kept.sum(dim=-1, keepdim=True) / noise).argmax(-1, keepdim=True)
    return tokens.gather(-1, place)[..., 0]
