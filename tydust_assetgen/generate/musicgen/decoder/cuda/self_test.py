"""A trial on the device. In walk a network and audiocraft's model, out walks why the network is not to play it, if so.

Nobody has tried the kernels on every card and with every compiler. So, once, when a model is loaded, some steps of two
rows at different places and with texts of different length are compared with audiocraft's own, and a step that is
replayed with one that is launched. If need be kernels give up coming early.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from tydust_assetgen.generate.musicgen.decoder.cuda.transformer import BUCKET, WORDS, CudaNetwork
from tydust_assetgen.generate.musicgen.decoder.cuda.triton_kernels import SPLIT
from tydust_assetgen.generate.musicgen.decoder.cuda.weights import Linear

BOUNDS = {torch.float32: 0.001, torch.float16: 0.03, torch.bfloat16: 0.15}
"""How far logits may be off, as a share of their spread. Two ways of half precision differ by rounding alone (small
with random weights on a CPU, measured: 0.001 in float16, 0.006 in bfloat16), and weights that have learned something
by some times as much; with a wrong kernel they have nothing in common, and are off by the whole spread and more."""
_STEPS = 3
_REPLAYS = 8
_MANY = 40
"""Lines: more than one program takes."""
_SIZES = ((2, 3), (SPLIT - 1, WORDS + 6))
"""For each row the columns that are known, and the tokens of its text. One goes from one split into the next."""


def trusted(network: CudaNetwork, lm: Any) -> str:
    """Why a network is not to play a model on this device; empty when it may.

    Args:
        network: over the weights of `lm`.
        lm: audiocraft's language model.
    """
    reason = _tried(network, lm)
    if reason and network.early:
        network.early = False
        reason = _tried(network, lm)
    return reason


def _tried(network: CudaNetwork, lm: Any) -> str:
    try:
        with torch.inference_mode():
            off = _off(network, lm)
            failing = "" if network.device.type != "cuda" else _failing(network)
    except Exception as error:  # noqa: BLE001 - whatever it is, audiocraft can play
        return f"its kernels fail here: {(str(error).strip() or repr(error)).splitlines()[0][:200]}"
    most = BOUNDS[network.dtype]
    if not off <= most:
        return f"its logits are off by {off:.1%} of their spread, and {most:.1%} is the most"
    return failing


def _failing(network: CudaNetwork) -> str:
    """What does not hold on this card, if anything."""
    if not _replays(network):
        return "its steps are other ones when they are replayed"
    return "" if _lines_alike(network) else "its rows depend on how many there are"


class _Trial(NamedTuple):
    """One row, and what audiocraft has to say to it."""

    codes: torch.Tensor  # [K, S]
    known: int
    heard: torch.Tensor  # [L, dim]
    unheard: torch.Tensor
    logits: torch.Tensor  # [2, K, S, card], after each column


def _trial(network: CudaNetwork, lm: Any, known: int, words: int, dice: torch.Generator) -> _Trial:
    """Random codes, and random conditions of the size of a text's."""
    shape, device = network.shape, network.device
    codes = torch.randint(0, shape.card + 1, (shape.codebooks, known + _STEPS), generator=dice).to(device)
    both = torch.randn((2, words, shape.dim), generator=dice).to(device)
    if shape.cross:
        both[1] = 0  # an empty text is heard as nothing
    methods = lm.fuser.fuse2cond
    name = (methods["cross"] or methods["prepend"])[0]
    with torch.autocast(device.type, dtype=network.dtype, enabled=network.dtype != torch.float32):
        told = {name: (both, torch.ones((2, words), device=device))}
        logits = lm.forward(codes.expand(2, -1, -1), [], condition_tensors=told)
    return _Trial(codes, known, both[0], both[1], logits.float())


def _off(network: CudaNetwork, lm: Any) -> float:
    """Root mean square of the logits' difference over that of audiocraft's, where it is worst."""
    dice = torch.Generator().manual_seed(0)
    trials = [_trial(network, lm, *size, dice) for size in _SIZES]
    network.reserve(len(trials), BUCKET)
    found = [
        [network.begin(row, each.codes[:, : each.known], each.heard, each.unheard)] for row, each in enumerate(trials)
    ]
    for step in range(_STEPS - 1):
        for row, logits in enumerate(_stepped(network, trials, step).unbind(1)):
            found[row].append(logits.clone())
    pairs = [
        (logits, each.logits[:, :, each.known - 1 + step])
        for each, row in zip(trials, found, strict=True)
        for step, logits in enumerate(row)
    ]
    return max(float((logits - right).std() / right.std()) for logits, right in pairs)


def _stepped(network: CudaNetwork, trials: list[_Trial], step: int) -> torch.Tensor:
    codes = torch.stack([each.codes[:, each.known + step] for each in trials])
    before = [0 if network.shape.cross else len(each.heard) for each in trials]
    at = [ahead + each.known + step for ahead, each in zip(before, trials, strict=True)]
    return network.step(codes, torch.tensor(at, device=network.device), BUCKET)


def _replays(network: CudaNetwork) -> bool:
    """Whether a step that is recorded and replayed some times has the bits of one that is launched."""
    codes = torch.zeros((len(_SIZES), network.shape.codebooks), dtype=torch.long, device=network.device)
    at = torch.tensor([3, SPLIT + 5], device=network.device)
    launched = network.step(codes, at, BUCKET).clone()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        logits = network.step(codes, at, BUCKET)
    for _ in range(_REPLAYS):
        logits.zero_()
        graph.replay()
        if not torch.equal(logits, launched):
            return False
    return True


def _lines_alike(network: CudaNetwork) -> bool:
    """Whether all ways to multiply give a line the same bits among few and among many."""
    layer, dice = network.layers[0], torch.Generator().manual_seed(1)
    bent = {"gelu": True}
    ways = [
        (layer.qkv, {}),
        (layer.out, {"add": True}),
        (layer.up, bent),
        (layer.down, {"add": True}),
        (network.heads, {}),
    ]
    return all(_line_alike(network, linear, how, dice) for linear, how in ways)


def _line_alike(network: CudaNetwork, linear: Linear, how: dict[str, bool], dice: torch.Generator) -> bool:
    outer, inner = linear.weight.shape
    x = torch.randn((_MANY, inner), generator=dice).to(network.device, torch.float32 if linear.norm else network.dtype)
    whole = "add" in how or linear is network.heads
    found = torch.zeros((_MANY + 2, outer), device=network.device, dtype=torch.float32 if whole else network.dtype)
    network.multiply(linear, x, found[:_MANY], **how)
    network.multiply(linear, x[-2:], found[_MANY:], **how)
    return bool(torch.equal(found[_MANY - 2 : _MANY], found[_MANY:]))
