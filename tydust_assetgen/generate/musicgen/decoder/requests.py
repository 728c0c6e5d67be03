"""What the decoder is asked for: tracks, each of windows that are decoded one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch


class Sampling(NamedTuple):
    """How tokens are drawn."""

    temperature: float = 1.0
    """0: always the likeliest."""
    top_k: int = 250
    """0: from all."""
    top_p: float = 0.0
    """0: use `top_k`."""
    cfg_coef: float = 3.0


@dataclass(frozen=True)
class WindowRequest:
    """One window of a track."""

    prompt: torch.Tensor  # [K, P], codes that it begins with
    length: int
    """Frames, prompt included."""
    conditional: torch.Tensor  # [L, dim], see `Transformer.prefill`
    unconditional: torch.Tensor  # [L, dim]


class Track(Protocol):
    """A track of windows, each of which knows the codes of those before it."""

    @property
    def sampling(self) -> Sampling: ...

    @property
    def rng(self) -> torch.Generator:
        """Its own random numbers, on the transformer's device."""

    def next_window(self) -> WindowRequest | None:
        """Its next window, or `None` at its end."""

    def finish_window(self, codes: torch.Tensor) -> None:
        """The codes `[K, length]` of the window that was begun last."""

    def report(self, done: int, steps: int) -> None:
        """So many steps of its window are done, of so many."""


def encode_conditions(lm: Any, attributes: list[Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """The embedded conditions (text, melody) of one track, and what stands in their place without conditions.

    Args:
        lm: audiocraft's language model; only its conditioners and its fuser are used.
        attributes: of one track, as `MusicGen._prepare_tokens_and_attributes` makes them.

    Returns:
        Conditional and unconditional `[L, dim]`: for cross-attention, or to stand before the codes.
    """
    from audiocraft.modules.conditioners import ClassifierFreeGuidanceDropout

    dropped = ClassifierFreeGuidanceDropout(p=1.0)(attributes)
    provider = lm.condition_provider
    with torch.inference_mode():
        found = provider(provider.tokenize(attributes + dropped))
    cross = bool(lm.fuser.fuse2cond["cross"])
    order = list(found) if cross else reversed(list(found))  # each is put before what was put before it
    conditional, unconditional = torch.cat([found[name][0] for name in order], dim=1)
    return conditional, unconditional
