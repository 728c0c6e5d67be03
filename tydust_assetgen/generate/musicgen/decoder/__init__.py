"""Our own decoder over audiocraft's weights: its tokens, several times as fast.

config           the sizes of a model, and which models are left to audiocraft
requests         what is asked for: tracks of windows
embeddings       of codes and positions
cpu/transformer  prefill and decode apart, keys and values in memory that is allocated once
  weights        of one layer
  linear, matmul how weights multiply, by precision
  fp16_matmul    products with weights that stay in 16 bits
  int8_matmul    products with weights of 8 bits
  int8_transformer  its steps compiled: attention, norms, feed-forward
  llvm_codegen   how loops are compiled
cuda/transformer the same on a GPU
  weights        as a GPU reads them
  triton_kernels what a GPU does in a step
  self_test      a comparison with audiocraft on the device, before it may be used
  graphs         a step that is captured once and then replayed
sampling         drawing the next tokens, each row in its own way
batch_state      what the rows have: sequences, positions, random numbers
engine           a transformer and the state of the batch: one step, from codes to codes
batch_scheduler  many tracks at once, each with its own length, text, random numbers and position
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import torch

from tydust_assetgen.generate.musicgen.decoder.config import shape_of, unsupported
from tydust_assetgen.generate.musicgen.decoder.cpu.matmul import multiplies_fp16
from tydust_assetgen.generate.musicgen.decoder.cpu.transformer import CpuTransformer
from tydust_assetgen.generate.musicgen.decoder.engine import Transformer
from tydust_assetgen.generate.musicgen.spec.requirements import Precision

_TYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def build_transformer(lm: Any, precision: Precision) -> tuple[Transformer | None, str]:
    """Our own transformer over a model's weights, or `None` where audiocraft must do it, and why.

    In the precision that the model has it shares its weights. In another one it has its own, and those of the model are
    given up: only this transformer can decode then. It reserves memory for keys and values when tracks are decoded.

    Args:
        lm: audiocraft's language model, in eval mode. On a CPU in float32, or with weights as they are stored, which
            become float32 where this CPU can't multiply with them. audiocraft never can.
        precision: of the products with weights.
    """
    if reason := unsupported(lm):
        return None, reason
    if lm.emb[0].weight.device.type == "cuda":
        return _on_cuda(lm, precision)
    if precision == "fp16":
        return None, "a CPU does not play in `fp16`"
    if precision == "fp32" and not multiplies_fp16():
        lm.float()
    transformer = _int8(lm) if precision == "int8" else CpuTransformer(lm, shape_of(lm), precision)
    if precision != "fp32":
        lm.transformer.to("meta")
    return transformer, ""


def _int8(lm: Any) -> CpuTransformer:
    """Imports numba, which takes a second."""
    from tydust_assetgen.generate.musicgen.decoder.cpu.int8_transformer import Int8Transformer

    return Int8Transformer(lm, shape_of(lm))


def _on_cuda(lm: Any, precision: Precision) -> tuple[Transformer | None, str]:
    """Only after a test: not every card was tried."""
    if find_spec("triton") is None:
        return None, "Triton is not installed"
    try:
        from tydust_assetgen.generate.musicgen.decoder.cuda.self_test import failure
        from tydust_assetgen.generate.musicgen.decoder.cuda.transformer import CudaTransformer
    except Exception as error:  # noqa: BLE001  a Triton that does not fit this machine may raise anything
        return None, f"Triton can't be loaded: {(str(error).strip() or repr(error)).splitlines()[0][:200]}"
    transformer = CudaTransformer(lm, shape_of(lm), _TYPES[precision])
    reason = failure(transformer, lm)
    transformer.free()
    return (None, reason) if reason else (transformer, "")
