"""The engines of `decode.py`, each in a process of its own: reads a checkpoint from a folder, prints a line of JSON.

    audiocraft    its own `LMModel.generate`, as a batch
    transformers  its MusicGen decoder of the same size, random weights of its own
    assetgen      this project's decoder

Weights are random: speed does not depend on their values, and two engines on the same weights must draw the same
tokens.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

WORDS = "synthwave, calm and mysterious, D minor, 90 BPM, wide pads, subtle arpeggios, warm analog bass, slow drums, "
TEMPERATURE, TOP_K, GUIDANCE = 1.1, 250, 3.0
BYTES = {"fp32": 4.0, "fp16": 2.0, "bf16": 2.0, "int8": 1.0}
"""Of a weight."""


class Clock:
    """When each step ended. The first one reads the text as well, and a few more warm up: they don't count."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._ends: list[float] = []

    def __call__(self, *_: object) -> None:
        self._ends.append(time.perf_counter())

    def steps_per_s(self) -> float:
        """Of all steps but the first tenth."""
        self._wait()
        last = time.perf_counter() if self._device == "cuda" else self._ends[-1]
        first = max(len(self._ends) // 10, 1)
        return (len(self._ends) - 1 - first) / (last - self._ends[first])

    def _wait(self) -> None:
        if self._device == "cuda":
            import torch

            torch.cuda.synchronize()


def digest(codes: Any) -> str:
    """Of tokens `[K, T]`."""
    return hashlib.sha256(codes.cpu().numpy().tobytes()).hexdigest()[:16]


def loaded(folder: Path, device: str, precision: str, *, as_stored: bool = False) -> Any:
    """audiocraft's model, on its device; for our decoder on a CPU with weights as they are stored."""
    from tydust_assetgen.generate.musicgen.runtime.load import load
    from tydust_assetgen.generate.musicgen.spec.models import find

    on_cpu = device == "cpu"
    wanted: Any = "fp32" if on_cpu else precision
    made: Any = device
    return load(find(str(folder), "", folder), device=made, precision=wanted, as_stored=as_stored)


def attributes(musicgen: Any, count: int) -> list[Any]:
    return list(musicgen._prepare_tokens_and_attributes([WORDS * 2] * count, None)[0])


def audiocraft(folder: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """One batch; and the first and the last track alone, whose tokens are the measure of ours."""
    import torch

    musicgen = loaded(folder, asked.device, asked.precision).musicgen

    def play(count: int, seed: int, steps: int) -> tuple[Any, float]:
        clock = Clock(asked.device)
        torch.manual_seed(seed)
        with torch.inference_mode(), musicgen.autocast:
            codes = musicgen.lm.generate(
                None,
                attributes(musicgen, count),
                max_gen_len=steps,
                temp=TEMPERATURE,
                top_k=TOP_K,
                cfg_coef=GUIDANCE,
                callback=clock,
            )
        return codes, clock.steps_per_s()

    steps_per_s = play(asked.batch, 0, asked.steps)[1]
    last = asked.batch - 1
    alone = {seed: play(1, seed, min(asked.steps, 200)) for seed in {0, last}}
    tokens = {str(seed): digest(codes[0]) for seed, (codes, _) in alone.items()}
    return {"steps_per_s": steps_per_s, "alone_steps_per_s": alone[0][1], "tokens": tokens}


def transformers(folder: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """Greedy or sampled makes no difference to its speed; its tokens are its own."""
    import torch
    from transformers import MusicgenDecoderConfig, MusicgenForCausalLM, StoppingCriteria, StoppingCriteriaList

    shape = json.loads((folder / "shape.json").read_text())
    config = MusicgenDecoderConfig(
        vocab_size=2048,
        hidden_size=shape["dim"],
        num_hidden_layers=shape["num_layers"],
        num_attention_heads=shape["num_heads"],
        ffn_dim=4 * shape["dim"],
        num_codebooks=shape["codebooks"],
        audio_channels=2 if shape["codebooks"] == 8 else 1,
        max_position_embeddings=4096,
    )
    types = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
    with torch.device(asked.device):
        model = MusicgenForCausalLM(config).to(types.get(asked.precision, torch.float32)).eval()
    clock = Clock(asked.device)

    class Ticks(StoppingCriteria):  # type: ignore[misc]
        def __call__(self, ids: Any, scores: Any, **_: Any) -> Any:
            del scores
            clock()
            return torch.zeros(len(ids), dtype=torch.bool, device=ids.device)

    conditional = torch.randn(asked.batch, 64, shape["dim"], device=asked.device, dtype=model.dtype)
    start = torch.full((asked.batch * shape["codebooks"], 1), 2048, device=asked.device)
    special = dict.fromkeys(("pad_token_id", "bos_token_id", "decoder_start_token_id"), 2048)
    model.generation_config.update(**special)
    with torch.inference_mode():
        model.generate(
            start,
            encoder_hidden_states=torch.cat([conditional, torch.zeros_like(conditional)]),
            encoder_attention_mask=torch.ones(2 * asked.batch, 64, device=asked.device),
            guidance_scale=GUIDANCE,
            do_sample=True,
            num_return_sequences=1,
            use_cache=True,
            temperature=TEMPERATURE,
            top_k=TOP_K,
            max_new_tokens=asked.steps,
            stopping_criteria=StoppingCriteriaList([Ticks()]),
        )
    return {"steps_per_s": clock.steps_per_s()}


def assetgen(folder: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """One batch of equal tracks with other seeds."""
    from tydust_assetgen.generate.musicgen.decoder import build_transformer
    from tydust_assetgen.generate.musicgen.decoder.batch_scheduler import BatchScheduler
    from tydust_assetgen.generate.musicgen.decoder.cpu.matmul import multiplies_fp16
    from tydust_assetgen.generate.musicgen.decoder.engine import Engine
    from tydust_assetgen.generate.musicgen.decoder.requests import encode_conditions

    musicgen = loaded(folder, asked.device, asked.precision, as_stored=True).musicgen
    stored_bytes = musicgen.lm.linears[0].weight.element_size()
    network, reason = build_transformer(musicgen.lm, asked.precision)
    if network is None:
        sys.exit(f"this decoder does not play here: {reason}")
    with musicgen.autocast:
        conditional = encode_conditions(musicgen.lm, attributes(musicgen, 1))
    most = min(asked.batch, network.max_rows)
    clock = Clock(asked.device)
    tracks = [_Track(network, conditional, asked.steps, seed, clock) for seed in range(asked.batch)]
    list(BatchScheduler(Engine(network, rows=most, frames=asked.steps)).run(tracks))
    rounds = -(-asked.batch // most)
    short = min(asked.steps, 200)
    tokens = {str(seed): digest(_alone(network, conditional, short, seed)) for seed in {0, asked.batch - 1}}
    if asked.steps == short:
        tokens = {seed: digest(tracks[int(seed)].codes) for seed in tokens}  # as they were drawn together
    weight_bytes = min(stored_bytes, BYTES[asked.precision]) if multiplies_fp16() else BYTES[asked.precision]
    steps_per_s = clock.steps_per_s() / rounds
    return {"steps_per_s": steps_per_s, "tokens": tokens, "at_once": most, "weight_bytes": weight_bytes}


def _alone(network: Any, conditional: tuple[Any, Any], steps: int, seed: int) -> Any:
    from tydust_assetgen.generate.musicgen.decoder.batch_scheduler import BatchScheduler
    from tydust_assetgen.generate.musicgen.decoder.engine import Engine

    track = _Track(network, conditional, steps, seed, lambda *_: None)
    list(BatchScheduler(Engine(network, rows=1, frames=steps)).run([track]))
    return track.codes


class _Track:
    """One window. Satisfies `decoder.requests.Track`; the first of all tells the clock."""

    def __init__(
        self, network: Any, conditional: tuple[Any, Any], steps: int, seed: int, clock: Callable[..., None]
    ) -> None:
        import torch

        from tydust_assetgen.generate.musicgen.decoder.requests import Sampling, WindowRequest

        nothing = torch.zeros((network.shape.codebooks, 0), dtype=torch.long, device=network.device)
        self._left: list[Any] = [WindowRequest(nothing, steps, *conditional)]
        self.sampling = Sampling(TEMPERATURE, TOP_K, 0.0, GUIDANCE)
        self.rng = torch.Generator(network.device).manual_seed(seed)
        self._clock = clock if seed == 0 else None
        self.codes: Any = None

    def next_window(self) -> Any:
        return self._left.pop() if self._left else None

    def finish_window(self, codes: Any) -> None:
        self.codes = codes

    def report(self, done: int, steps: int) -> None:
        if self._clock is not None:
            self._clock(done, steps)


ENGINES = {"audiocraft": audiocraft, "transformers": transformers, "assetgen": assetgen}


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("engine", choices=list(ENGINES))
    words.add_argument("folder", type=Path)
    words.add_argument("--device", required=True)
    words.add_argument("--precision", required=True)
    words.add_argument("--batch", type=int, required=True)
    words.add_argument("--steps", type=int, required=True)
    asked = words.parse_args()
    warnings.simplefilter("ignore")
    if asked.engine == "assetgen":
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as in a build
    print(json.dumps(ENGINES[asked.engine](asked.folder, asked)))


if __name__ == "__main__":
    main()
