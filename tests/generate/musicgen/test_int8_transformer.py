"""The compiled parts of a layer against torch's own operations, over the same products of integers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("numba")

from torch.nn import functional  # noqa: E402

from tydust_assetgen.generate.musicgen.decoder.cpu.int8_matmul import Int8Linear  # noqa: E402
from tydust_assetgen.generate.musicgen.decoder.cpu.int8_transformer import (  # noqa: E402
    NormWeights,
    _gelu,
    cross_attention,
    feed_forward,
    self_attention,
)
from tydust_assetgen.generate.musicgen.decoder.cpu.llvm_codegen import use_torch_thread_count  # noqa: E402

Tensor = Any
SEEDS = st.integers(0, 99)
ROWS = st.integers(1, 5)
SHAPES = st.sampled_from([(8, 1), (32, 2), (48, 3), (256, 4), (1024, 16)])  # dim, heads
EPS = 1e-5


def noise(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def norm_of(dim: int, seed: int) -> NormWeights:
    return NormWeights(1 + 0.3 * noise(dim, seed=seed).numpy(), 0.2 * noise(dim, seed=seed + 1).numpy(), EPS)


def normed(x: Tensor, norm: NormWeights) -> Tensor:
    return functional.layer_norm(x, x.shape[-1:], torch.from_numpy(norm.weight), torch.from_numpy(norm.bias), norm.eps)


def product(count: int, depth: int, seed: int) -> Int8Linear:
    return Int8Linear(noise(count, depth, seed=seed) / depth**0.5)


def near(one: Tensor, other: Tensor) -> bool:
    """A number whose last bit differs may be rounded to the next integer: a step of a line, among many."""
    return bool((one - other).abs().max() < 2e-3 * (1 + other.abs().max()))


class Looking:
    """Self-attention of some rows, each of which has read another number of columns."""

    def __init__(self, shape: tuple[int, int], rows: int, seed: int) -> None:
        self.dim, self.heads = shape
        self.norm = norm_of(self.dim, seed)
        self.qkv, self.out = product(3 * self.dim, self.dim, seed + 2), product(self.dim, self.dim, seed + 3)
        self.x = 3 * noise(2 * rows, self.dim, seed=seed + 4) + 0.5
        size = (rows, 2, self.heads, 12, self.dim // self.heads)
        self.keys, self.values = noise(*size, seed=seed + 5), noise(*size, seed=seed + 6)
        self.at = (torch.arange(rows) * 7 + seed) % 12

    def ours(self, rows: slice) -> tuple[Tensor, Tensor, Tensor]:
        """What went through, keys and values, of some of the rows alone."""
        x = self.x.view(-1, 2, self.dim)[rows].reshape(-1, self.dim).clone()
        keys, values, at = (each[rows].clone() for each in (self.keys, self.values, self.at))
        memory = keys.numpy(), values.numpy()
        self_attention(x.numpy(), self.norm, self.qkv.weights, self.out.weights, *memory, at.numpy())
        return x, keys, values

    def torchs(self, row: int) -> tuple[Tensor, Tensor, Tensor]:
        lines, place = slice(2 * row, 2 * row + 2), int(self.at[row])
        parts = self.qkv(normed(self.x[lines], self.norm)).view(2, 3, self.heads, -1)
        keys, values = self.keys[row].clone(), self.values[row].clone()
        keys[:, :, place], values[:, :, place] = parts[:, 1], parts[:, 2]
        read = keys[:, :, : place + 1], values[:, :, : place + 1]
        found = functional.scaled_dot_product_attention(parts[:, 0, :, None], *read)
        return self.x[lines] + self.out(found.reshape(2, self.dim)), keys, values


@given(shape=SHAPES, rows=ROWS, seed=SEEDS)
@settings(max_examples=25, deadline=None)
def test_looking_back_is_attention_to_what_was_read(shape: tuple[int, int], rows: int, seed: int) -> None:
    looking = Looking(shape, rows, seed)
    x, keys, values = looking.ours(slice(0, rows))
    for row in range(rows):
        right = looking.torchs(row)
        assert near(x[2 * row : 2 * row + 2], right[0])
        assert near(keys[row], right[1])
        assert near(values[row], right[2])


@given(shape=SHAPES, rows=st.integers(2, 5), seed=SEEDS)
@settings(max_examples=25, deadline=None)
def test_looking_back_a_row_has_the_same_bits_in_any_company(shape: tuple[int, int], rows: int, seed: int) -> None:
    looking = Looking(shape, rows, seed)
    together = looking.ours(slice(0, rows))[0].view(rows, 2, -1)
    alone = [looking.ours(slice(row, row + 1))[0] for row in range(rows)]
    assert torch.equal(together, torch.stack(alone))


@given(shape=SHAPES, lengths=st.lists(st.integers(1, 9), min_size=1, max_size=5), seed=SEEDS)
@settings(max_examples=25, deadline=None)
def test_only_first_lines_hear_and_nothing_beyond_their_text(
    shape: tuple[int, int], lengths: list[int], seed: int
) -> None:
    dim, heads = shape
    rows, norm = len(lengths), norm_of(dim, seed)
    query, out = product(dim, dim, seed + 2), product(dim, dim, seed + 3)
    x, size = noise(2 * rows, dim, seed=seed + 4), (rows, 1, heads, 9, dim // heads)
    keys, values = noise(*size, seed=seed + 5), noise(*size, seed=seed + 6)
    for row, length in enumerate(lengths):
        keys[row, :, :, length:] = values[row, :, :, length:] = float("nan")
    heard = x.clone()
    memory = keys.numpy(), values.numpy(), torch.tensor(lengths).numpy()
    cross_attention(heard.numpy(), norm, query.weights, out.weights, *memory)
    assert torch.equal(heard[1::2], x[1::2])
    for row, length in enumerate(lengths):
        asked = query(normed(x[2 * row : 2 * row + 1], norm)).view(1, heads, 1, -1)
        found = functional.scaled_dot_product_attention(asked, keys[row, :, :, :length], values[row, :, :, :length])
        assert near(heard[2 * row], (x[2 * row] + out(found.reshape(1, dim)))[0])


@given(dim=st.sampled_from([8, 48, 256]), rows=ROWS, seed=SEEDS)
@settings(max_examples=25, deadline=None)
def test_feeding_forward_is_up_bent_and_down(dim: int, rows: int, seed: int) -> None:
    norm, up, down = norm_of(dim, seed), product(4 * dim, dim, seed + 2), product(dim, 4 * dim, seed + 3)
    x = noise(2 * rows, dim, seed=seed + 4)
    fed = x.clone()
    feed_forward(fed.numpy(), norm, up.weights, down.weights)
    assert near(fed, x + down(functional.gelu(up(normed(x, norm)))))
    alone = x[:2].clone()
    feed_forward(alone.numpy(), norm, up.weights, down.weights)
    assert torch.equal(alone, fed[:2])


def test_what_is_bent_has_gone_through_a_gelu() -> None:
    x = torch.cat([torch.linspace(-60, 60, 20_001), torch.tensor([0.0, -1e-30, 3e38, -3e38])])[None]
    x = torch.cat([x, x.flip(1)])
    right, made = functional.gelu(x.double()), x.clone()
    _gelu(made.numpy())
    assert ((made - right).abs() <= 1e-6 + 1e-6 * right.abs()).all()
    assert torch.equal(made[0], made[1].flip(0))


def test_what_is_no_number_stays_in_its_row() -> None:
    looking = Looking((256, 4), 3, 1)
    whole = looking.ours(slice(0, 3))[0]
    looking.x[2, 7] = float("nan")
    hurt = looking.ours(slice(0, 3))[0]
    assert hurt[2].isnan().all()
    assert torch.equal(hurt[[0, 1, 4, 5]], whole[[0, 1, 4, 5]])


def test_threads_change_no_bit() -> None:
    looking, before, found = Looking((1024, 16), 3, 1), torch.get_num_threads(), []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        use_torch_thread_count()
        found.append(looking.ours(slice(0, 3))[0])
    torch.set_num_threads(before)
    use_torch_thread_count()
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])
