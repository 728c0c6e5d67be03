"""Our own decoder over audiocraft's weights: its tokens, several times as fast. In walk tracks, out walk their codes.

shape      what must be known of a model, and which ones are left to audiocraft
track      what is asked for: windows of tracks
conditions what leads a row
network    the transformer, unrolled: prefill and decode apart, keys and values in memory that is taken once
  linears  how weights multiply on a CPU, by precision
  halves   products of weights that stay in 16 bits
rounded    the network in int8, its steps compiled
  integers products of weights of 8 bits
  loops    the rest of a layer
llvm       how loops are compiled
cuda       the same on a GPU
  weights  as a GPU reads them
  kernels  what a GPU does in a step
  trust    a trial on the device, before it may play
sampling   drawing the next tokens, each row in its own way
desk       what the rows have before them: sequences, places, dice
engine     a network and a desk: one step, from codes to codes
  graphs   a step that is recorded once and then replayed
band       many tracks at once, each with its own length, words, dice and place in time
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import torch

from tydust_assetgen.generate.musicgen.decoder.config import shape_of, unsupported
from tydust_assetgen.generate.musicgen.decoder.cpu.matmul import keeps
from tydust_assetgen.generate.musicgen.decoder.cpu.transformer import Network
from tydust_assetgen.generate.musicgen.decoder.engine import Plays
from tydust_assetgen.generate.musicgen.spec.requirements import Precision

_TYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def network_of(lm: Any, precision: Precision) -> tuple[Plays | None, str]:
    """A network that plays a model, or `None` where audiocraft must do it, and why.

    In the precision that the model has it shares its weights. In another one it has its own, and those of the model's
    transformer are given up: only the network can play then. It takes memory for music when something is played.

    Args:
        lm: audiocraft's language model, in eval mode. On a CPU in float32, or with weights as they are stored, which
            become float32 where the network can't multiply with them. audiocraft never can.
        precision: of the products with weights.
    """
    if reason := unsupported(lm):
        return None, reason
    if lm.emb[0].weight.device.type == "cuda":
        return _on_cuda(lm, precision)
    if precision == "fp16":
        return None, "a CPU does not play in `fp16`"
    if precision == "fp32" and not keeps():
        lm.float()
    network = _rounded(lm) if precision == "int8" else Network(lm, shape_of(lm), precision)
    if precision != "fp32":
        lm.transformer.to("meta")
    return network, ""


def _rounded(lm: Any) -> Network:
    """numba takes a second to be read."""
    from tydust_assetgen.generate.musicgen.decoder.cpu.int8_transformer import RoundedNetwork

    return RoundedNetwork(lm, shape_of(lm))


def _on_cuda(lm: Any, precision: Precision) -> tuple[Plays | None, str]:
    """On a card that nobody has tried, only after a trial."""
    if find_spec("triton") is None:
        return None, "Triton is not installed"
    try:
        from tydust_assetgen.generate.musicgen.decoder.cuda.self_test import trusted
        from tydust_assetgen.generate.musicgen.decoder.cuda.transformer import CudaNetwork
    except Exception as error:  # noqa: BLE001  a Triton that does not fit this machine may raise anything
        return None, f"Triton can't be loaded: {(str(error).strip() or repr(error)).splitlines()[0][:200]}"
    network = CudaNetwork(lm, shape_of(lm), _TYPES[precision])
    reason = trusted(network, lm)
    network.clear()
    return (None, reason) if reason else (network, "")
