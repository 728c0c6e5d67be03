"""The network of CUDA, played on a CPU by Triton's interpreter: slow, and the same arithmetic.

As in `test_kernels`, what is named `check_…` is run by a process of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("triton")
pytest.importorskip("audiocraft")

import torch

from tests.generate.musicgen.test_decoder import Asked
from tests.generate.musicgen.test_triton_kernels import in_the_interpreter
from tydust_assetgen.generate.musicgen.decoder.batch_scheduler import BatchScheduler
from tydust_assetgen.generate.musicgen.decoder.config import shape_of
from tydust_assetgen.generate.musicgen.decoder.cpu.transformer import CpuTransformer
from tydust_assetgen.generate.musicgen.decoder.cuda.graphs import _COLUMNS, Bucket
from tydust_assetgen.generate.musicgen.decoder.cuda.self_test import _is_batch_invariant, _logit_error, failure
from tydust_assetgen.generate.musicgen.decoder.cuda.transformer import COLUMN_BUCKET, TEXT_BUCKET, CudaTransformer
from tydust_assetgen.generate.musicgen.decoder.cuda.triton_kernels import SPLIT
from tydust_assetgen.generate.musicgen.decoder.engine import Engine
from tydust_assetgen.generate.musicgen.decoder.requests import Sampling
from tydust_assetgen.generate.musicgen.runtime.load import load
from tydust_assetgen.generate.musicgen.spec.models import find

if TYPE_CHECKING:
    from tests.generate.musicgen.checkpoints import Checkpoint


def test_the_network_plays_what_audiocraft_plays() -> None:
    in_the_interpreter(Path(__file__))


@given(rows=st.integers(1, 40), columns=st.integers(1, 4000), most=st.integers(1, 40))
def test_a_bucket_holds_what_it_is_for(rows: int, columns: int, most: int) -> None:
    """And little more: rows at which nobody sits, and columns that are not filled, cost time."""
    rows = min(rows, most)
    bucket = Bucket.of(rows, columns, most)
    assert rows <= bucket.rows <= most
    assert bucket.rows < 2 * rows or rows == 1
    assert columns <= bucket.columns < columns + _COLUMNS
    assert Bucket.of(bucket.rows, bucket.columns, most) == bucket
    assert bucket.columns % SPLIT == 0


def musicgen(made: Checkpoint, layers: int = 1) -> Any:
    """A model of so many layers and 32 tokens: the interpreter takes its time."""
    loaded = load(find(str(made.folder), "", made.folder), device="cpu", precision="auto").musicgen
    lm = loaded.lm
    lm.transformer.layers, lm.card = lm.transformer.layers[:layers], 32
    for embedding, head in zip(lm.emb, lm.linears, strict=True):
        embedding.weight = torch.nn.Parameter(embedding.weight[:33].clone())
        head.weight = torch.nn.Parameter(head.weight[:32].clone())
    return loaded


def cuda(lm: Any, dtype: torch.dtype = torch.float32) -> CudaTransformer:
    return CudaTransformer(lm, shape_of(lm), dtype)


@pytest.mark.parametrize(("kind", "layers"), [("tiny_t5", 2), ("tiny_stereo", 1), ("tiny_melody", 1)])
def check_logits_are_audiocrafts(kind: str, layers: int, request: pytest.FixtureRequest) -> None:
    """Two rows at places far apart, with texts of different length, across the border of a split."""
    lm = musicgen(request.getfixturevalue(kind), layers).lm
    with torch.inference_mode():
        assert _logit_error(cuda(lm), lm) < 1e-5


def check_half_precision_is_off_by_rounding_alone(tiny_t5: Checkpoint) -> None:
    lm = musicgen(tiny_t5).lm
    with torch.inference_mode():
        assert 1e-5 < _logit_error(cuda(lm, torch.float16), lm) < 2e-3


def check_a_network_that_plays_something_else_is_not_trusted(tiny_t5: Checkpoint) -> None:
    lm, other = musicgen(tiny_t5).lm, musicgen(tiny_t5).lm
    lm.transformer.layers[0].linear2.weight.data.neg_()
    assert "of their spread" in failure(cuda(lm), other)


def check_whatever_fails_is_a_reason(tiny_t5: Checkpoint) -> None:
    assert "kernels fail here" in failure(cuda(musicgen(tiny_t5).lm), None)


def check_greedy_tokens_are_those_of_the_network_on_a_cpu(tiny_t5: Checkpoint) -> None:
    """Through engine and scheduler: prompts, texts and lengths of their own, and a row that ends before the other."""
    model = musicgen(tiny_t5)

    def played(network: Any) -> list[Asked]:
        greedy = Sampling(temperature=0.0, top_k=0)
        asked = [Asked("calm", 2, known=SPLIT - 2, sampling=greedy), Asked("boss battle, brass", 1, sampling=greedy)]
        ready = [each.prepare(model) for each in asked]
        list(BatchScheduler(Engine(network, rows=2, frames=SPLIT + 1)).run(ready))
        return ready

    ours, theirs = played(cuda(model.lm)), played(CpuTransformer(model.lm, shape_of(model.lm)))
    for one, other in zip(ours, theirs, strict=True):
        assert one.codes is not None
        assert other.codes is not None
        assert torch.equal(one.codes, other.codes)


class Row:
    """Random codes and words."""

    def __init__(self, lm: Any, known: int, words: int, seed: int) -> None:
        rng = torch.Generator().manual_seed(seed)
        self.codes = torch.randint(0, lm.card, (lm.n_q, known + 2), generator=rng)
        self.conditional, self.known = torch.randn((words, lm.dim), generator=rng), known

    def begin(self, network: CudaTransformer, row: int) -> torch.Tensor:
        return network.prefill(row, self.codes[:, : self.known], self.conditional, self.conditional)


def stepped(network: CudaTransformer, rows: list[Row], step: int, columns: int) -> torch.Tensor:
    codes = torch.stack([row.codes[:, row.known + step] for row in rows])
    at = torch.tensor([row.known + step for row in rows])
    return network.decode(codes, at, columns).clone()


@torch.inference_mode()  # type: ignore[untyped-decorator]
def check_a_row_does_not_depend_on_its_neighbours_its_seat_or_the_room(tiny_t5: Checkpoint) -> None:
    """The same bits alone and in company, with little memory and with much, before and after it has moved."""
    lm = musicgen(tiny_t5).lm
    row, other = Row(lm, SPLIT - 1, 5, seed=1), Row(lm, 300, TEXT_BUCKET + 9, seed=2)
    alone, together = cuda(lm), cuda(lm)
    alone.reserve(1, COLUMN_BUCKET)
    together.reserve(3, 2 * COLUMN_BUCKET)
    assert torch.equal(row.begin(alone, 0), row.begin(together, 1))
    other.begin(together, 0)
    assert torch.equal(
        stepped(alone, [row], 0, COLUMN_BUCKET)[:, 0], stepped(together, [other, row], 0, 2 * COLUMN_BUCKET)[:, 1]
    )
    together.move_row(1, 0, SPLIT)
    together.reserve(4, 3 * COLUMN_BUCKET)
    assert torch.equal(stepped(alone, [row], 1, COLUMN_BUCKET), stepped(together, [row], 1, COLUMN_BUCKET))


@torch.inference_mode()  # type: ignore[untyped-decorator]
def check_memory_that_is_taken_anew_keeps_what_was_there(tiny_t5: Checkpoint) -> None:
    lm = musicgen(tiny_t5, 3).lm
    network, row = cuda(lm), Row(lm, 7, 3, seed=3)
    network.reserve(2, 20)
    assert network.rows == 2
    row.begin(network, 1)
    kept = [each.clone() for each in memories(network)]
    assert all(each[1].any() for each in kept)
    allocations = network.allocations
    network.reserve(1, COLUMN_BUCKET)
    assert network.allocations == allocations, "there is room for that already"
    network.reserve(5, COLUMN_BUCKET + 1)
    assert network.allocations > allocations
    assert network._cache[0].keys.shape == (5, 2, 4, 2 * COLUMN_BUCKET, 16)
    for memory, before in zip(memories(network), kept, strict=True):
        assert torch.equal(memory[tuple(map(slice, before.shape))], before)
        assert memory.count_nonzero() == before.count_nonzero()
    network.move_row(1, 4, 7)
    for memory, before in zip(memories(network), kept, strict=True):
        assert torch.equal(memory[4][tuple(map(slice, before[1].shape))], before[1])
    assert network._text_lengths.tolist() == [1, 3, 1, 1, 3]


def memories(network: CudaTransformer) -> list[torch.Tensor]:
    return [each for layer in network._cache for each in layer]


@torch.inference_mode()  # type: ignore[untyped-decorator]
def check_a_line_has_the_same_bits_among_few_and_among_many(tiny_t5: Checkpoint) -> None:
    """What a card is asked as well before it may play."""
    network = cuda(musicgen(tiny_t5).lm, torch.float16)
    assert _is_batch_invariant(network)


@torch.inference_mode()  # type: ignore[untyped-decorator]
def check_weights_are_audiocrafts_own(tiny_t5: Checkpoint) -> None:
    """A second copy of a large model is memory that tracks could have."""
    lm = musicgen(tiny_t5).lm
    network, layer = cuda(lm), lm.transformer.layers[0]
    own = network.layers[0]
    assert own.up.weight.data_ptr() == layer.linear1.weight.data_ptr()
    assert own.qkv.weight.data_ptr() == layer.self_attn.in_proj_weight.data_ptr()
    assert own.keys_values is not None
    assert own.keys_values.data_ptr() == layer.cross_attention.in_proj_weight[lm.dim :].data_ptr()


def check_the_memory_of_a_row_is_what_is_reckoned(tiny_t5: Checkpoint) -> None:
    network = cuda(musicgen(tiny_t5, 3).lm)

    def reserved_bytes(rows: int) -> int:
        network.reserve(rows, 2 * COLUMN_BUCKET)
        scratch = [*network._scratch[:6], *network._scratch.partials]
        return sum(each.nbytes for each in [*memories(network), *scratch])

    few, many = reserved_bytes(1), reserved_bytes(4)
    assert 3 * network.row_bytes(2 * COLUMN_BUCKET) == pytest.approx(many - few, rel=0.1)
    assert 3 * network.row_bytes(2 * COLUMN_BUCKET) > many - few, "drawing takes a little more"
