"""What the decoder is asked for: a track is windows, one after the other, each led by something. Papers, no work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch


class Sampling(NamedTuple):
    """How a row draws."""

    temperature: float = 1.0
    """0: always the likeliest."""
    top_k: int = 250
    """0: from all."""
    top_p: float = 0.0
    """0: use `top_k`."""
    cfg_coef: float = 3.0


@dataclass(frozen=True)
class Stretch:
    """One window of a track."""

    prompt: torch.Tensor  # [K, P], codes that are heard first
    length: int
    """Frames, prompt included."""
    heard: torch.Tensor  # [L, dim], see `Network.begin`
    unheard: torch.Tensor


class Track(Protocol):
    """Plays windows one after the other, each knowing the codes of those before it."""

    @property
    def sampling(self) -> Sampling: ...

    @property
    def dice(self) -> torch.Generator:
        """Its own, on the network's device."""

    def begin(self) -> Stretch | None:
        """Its next window, or `None` at its end."""

    def end(self, codes: torch.Tensor) -> None:
        """The codes `[K, length]` of the window that was begun last."""

    def tell(self, made: int, steps: int) -> None:
        """So many steps of its window are done, of so many."""


def conditions_of(lm: Any, attributes: list[Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """What is heard, and what stands there when nothing is to be heard.

    Args:
        lm: audiocraft's language model; only its conditioners and its fuser are asked.
        attributes: of one track, as `MusicGen._prepare_tokens_and_attributes` makes them.

    Returns:
        Two tensors `[L, dim]`: for cross-attention, or to stand before the codes.
    """
    from audiocraft.modules.conditioners import ClassifierFreeGuidanceDropout

    nothing = ClassifierFreeGuidanceDropout(p=1.0)(attributes)
    provider = lm.condition_provider
    with torch.inference_mode():
        found = provider(provider.tokenize(attributes + nothing))
    crossing = bool(lm.fuser.fuse2cond["cross"])
    order = list(found) if crossing else reversed(list(found))  # each is put before what was put before it
    heard, unheard = torch.cat([found[name][0] for name in order], dim=1)
    return heard, unheard
