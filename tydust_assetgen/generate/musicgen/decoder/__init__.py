"""Our own decoder over audiocraft's weights: its tokens, several times as fast. In walk tracks, out walk their codes.

shape      what must be known of a model, and which ones are left to audiocraft
conditions what leads a row
network    the transformer, unrolled: prefill and decode apart, keys and values in memory that is taken once
sampling   drawing one row's next tokens
band       many rows at once, each with its own length, words, dice and place in time
"""

from __future__ import annotations

from typing import Any

from tydust_assetgen.generate.musicgen.decoder.network import Network
from tydust_assetgen.generate.musicgen.decoder.shape import shape_of, unsupported


def network_of(lm: Any, *, rows: int = 1) -> Network | None:
    """A network that plays a model on the CPU in float32, or `None` where audiocraft must do it.

    It shares the model's weights, and costs no memory until something is played.

    Args:
        lm: audiocraft's language model, in eval mode.
        rows: how many tracks are played at once.
    """
    import torch

    weight = lm.emb[0].weight
    if weight.device.type != "cpu" or weight.dtype != torch.float32 or unsupported(lm):
        return None
    return Network(lm, shape_of(lm), rows=rows)
