"""Our own decoder over audiocraft's weights: its tokens, several times as fast. In walk tracks, out walk their codes.

shape      what must be known of a model, and which ones are left to audiocraft
track      what is asked for: windows of tracks
conditions what leads a row
linears    how weights multiply on a CPU
network    the transformer, unrolled: prefill and decode apart, keys and values in memory that is taken once
sampling   drawing the next tokens, each row in its own way
desk       what the rows have before them: sequences, places, dice
engine     a network and a desk: one step, from codes to codes
band       many tracks at once, each with its own length, words, dice and place in time
"""

from __future__ import annotations

from typing import Any

from tydust_assetgen.generate.musicgen.decoder.engine import Plays
from tydust_assetgen.generate.musicgen.decoder.network import Network
from tydust_assetgen.generate.musicgen.decoder.shape import shape_of, unsupported
from tydust_assetgen.generate.musicgen.devices import Precision

__all__ = ["network_of", "unsupported"]


def network_of(lm: Any, precision: Precision = "fp32") -> Plays | None:
    """A network that plays a model, or `None` where audiocraft must do it.

    In full precision on a CPU it shares the model's weights, and costs no memory until something is played.

    Args:
        lm: audiocraft's language model, in eval mode; on a CPU in float32.
        precision: of the products with weights.
    """
    if unsupported(lm) or lm.emb[0].weight.device.type != "cpu" or precision == "fp16":
        return None
    return Network(lm, shape_of(lm), precision)
