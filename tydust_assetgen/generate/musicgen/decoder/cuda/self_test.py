"""A comparison with audiocraft on the device, before our own transformer may decode a model there.

Nobody has tried the kernels on every card and with every compiler. So, once, when a model is loaded, some steps of two
rows at different positions and with texts of different length are compared with audiocraft's own, and a step that is
replayed with one that is launched. If that fails, it is tried again with kernels that don't start early.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from tydust_assetgen.generate.musicgen.decoder.cuda.transformer import COLUMN_BUCKET, TEXT_BUCKET, CudaTransformer
from tydust_assetgen.generate.musicgen.decoder.cuda.triton_kernels import SPLIT
from tydust_assetgen.generate.musicgen.decoder.cuda.weights import Linear

BOUNDS = {torch.float32: 0.001, torch.float16: 0.03, torch.bfloat16: 0.15}
"""How far logits may be off, as a share of their spread. Two ways of half precision differ by rounding alone (small
with random weights on a CPU, measured: 0.001 in float16, 0.006 in bfloat16), and weights that have learned something
by some times as much; with a wrong kernel they have nothing in common, and are off by the whole spread and more."""
_STEPS = 3
_REPLAYS = 8
_MANY_LINES = 40
"""Lines: more than one program takes."""
_TRIAL_SIZES = ((2, 3), (SPLIT - 1, TEXT_BUCKET + 6))
"""For each row the columns that are known, and the tokens of its text. The second one crosses a split."""


def failure(transformer: CudaTransformer, lm: Any) -> str:
    """Why a transformer must not decode a model on this device; empty when it may.

    Args:
        transformer: over the weights of `lm`.
        lm: audiocraft's language model.
    """
    reason = _run_trial(transformer, lm)
    if reason and transformer.early:
        transformer.early = False
        reason = _run_trial(transformer, lm)
    return reason


def _run_trial(transformer: CudaTransformer, lm: Any) -> str:
    try:
        with torch.inference_mode():
            difference = _logit_error(transformer, lm)
            failing = "" if transformer.device.type != "cuda" else _nondeterminism(transformer)
    except Exception as error:  # noqa: BLE001 - whatever it is, audiocraft can play
        return f"its kernels fail here: {(str(error).strip() or repr(error)).splitlines()[0][:200]}"
    most = BOUNDS[transformer.dtype]
    if not difference <= most:
        return f"its logits are off by {difference:.1%} of their spread, and {most:.1%} is the most"
    return failing


def _nondeterminism(transformer: CudaTransformer) -> str:
    """What does not hold on this card, if anything."""
    if not _replays_exactly(transformer):
        return "its steps are other ones when they are replayed"
    return "" if _is_batch_invariant(transformer) else "its rows depend on how many there are"


class _Trial(NamedTuple):
    """One row, and audiocraft's logits for it."""

    codes: torch.Tensor  # [K, S]
    known: int
    conditional: torch.Tensor  # [L, dim]
    unconditional: torch.Tensor
    logits: torch.Tensor  # [2, K, S, card], after each column


def _make_trial(transformer: CudaTransformer, lm: Any, known: int, tokens: int, rng: torch.Generator) -> _Trial:
    """Random codes, and random conditions of the size of an embedded text."""
    shape, device = transformer.shape, transformer.device
    codes = torch.randint(0, shape.card + 1, (shape.codebooks, known + _STEPS), generator=rng).to(device)
    both = torch.randn((2, tokens, shape.dim), generator=rng).to(device)
    if shape.cross:
        both[1] = 0  # an empty text is embedded as zeros
    methods = lm.fuser.fuse2cond
    name = (methods["cross"] or methods["prepend"])[0]
    with torch.autocast(device.type, dtype=transformer.dtype, enabled=transformer.dtype != torch.float32):
        conditions = {name: (both, torch.ones((2, tokens), device=device))}
        logits = lm.forward(codes.expand(2, -1, -1), [], condition_tensors=conditions)
    return _Trial(codes, known, both[0], both[1], logits.float())


def _logit_error(transformer: CudaTransformer, lm: Any) -> float:
    """Root mean square of the logits' difference over that of audiocraft's, where it is worst."""
    rng = torch.Generator().manual_seed(0)
    trials = [_make_trial(transformer, lm, *size, rng) for size in _TRIAL_SIZES]
    transformer.reserve(len(trials), COLUMN_BUCKET)
    found = [
        [transformer.prefill(row, each.codes[:, : each.known], each.conditional, each.unconditional)]
        for row, each in enumerate(trials)
    ]
    for step in range(_STEPS - 1):
        for row, logits in enumerate(_decode_step(transformer, trials, step).unbind(1)):
            found[row].append(logits.clone())
    pairs = [
        (logits, each.logits[:, :, each.known - 1 + step])
        for each, row in zip(trials, found, strict=True)
        for step, logits in enumerate(row)
    ]
    return max(float((logits - right).std() / right.std()) for logits, right in pairs)


def _decode_step(transformer: CudaTransformer, trials: list[_Trial], step: int) -> torch.Tensor:
    codes = torch.stack([each.codes[:, each.known + step] for each in trials])
    before = [0 if transformer.shape.cross else len(each.conditional) for each in trials]
    at = [ahead + each.known + step for ahead, each in zip(before, trials, strict=True)]
    return transformer.decode(codes, torch.tensor(at, device=transformer.device), COLUMN_BUCKET)


def _replays_exactly(transformer: CudaTransformer) -> bool:
    """Whether a step that is captured and replayed some times has the bits of one that is launched."""
    codes = torch.zeros((len(_TRIAL_SIZES), transformer.shape.codebooks), dtype=torch.long, device=transformer.device)
    at = torch.tensor([3, SPLIT + 5], device=transformer.device)
    launched = transformer.decode(codes, at, COLUMN_BUCKET).clone()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        logits = transformer.decode(codes, at, COLUMN_BUCKET)
    for _ in range(_REPLAYS):
        logits.zero_()
        graph.replay()
        if not torch.equal(logits, launched):
            return False
    return True


def _is_batch_invariant(transformer: CudaTransformer) -> bool:
    """Whether all linear layers give a line the same bits among few lines and among many."""
    layer, rng = transformer.layers[0], torch.Generator().manual_seed(1)
    ways = [
        (layer.qkv, {}),
        (layer.out, {"add": True}),
        (layer.up, {"gelu": True}),
        (layer.down, {"add": True}),
        (transformer.heads, {}),
    ]
    return all(_is_linear_batch_invariant(transformer, linear, how, rng) for linear, how in ways)


def _is_linear_batch_invariant(
    transformer: CudaTransformer, linear: Linear, how: dict[str, bool], rng: torch.Generator
) -> bool:
    outer, inner = linear.weight.shape
    half, single, device = transformer.dtype, torch.float32, transformer.device
    x = torch.randn((_MANY_LINES, inner), generator=rng).to(device, single if linear.norm else half)
    is_float32 = "add" in how or linear is transformer.heads
    found = torch.zeros((_MANY_LINES + 2, outer), device=device, dtype=single if is_float32 else half)
    transformer.linear(linear, x, found[:_MANY_LINES], **how)
    transformer.linear(linear, x[-2:], found[_MANY_LINES:], **how)
    return bool(torch.equal(found[_MANY_LINES - 2 : _MANY_LINES], found[_MANY_LINES:]))
