"""What leads a row. In walk audiocraft's attributes of one track, out walk the tensors that its network hears.

One track at a time, with nothing to hear beside it, exactly as audiocraft asks for a track alone: in a larger batch
the words of one would be padded to the length of another's, and the padding would be heard.
"""

from __future__ import annotations

from typing import Any

import torch


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
