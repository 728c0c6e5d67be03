"""Products with weights that stay in 16 bits: the numbers of a product in float32, and on some CPUs its very bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("numba")

import numpy as np  # noqa: E402
from torch.nn import functional  # noqa: E402

from tydust_assetgen.generate.musicgen.decoder.cpu import fp16_matmul  # noqa: E402
from tydust_assetgen.generate.musicgen.decoder.cpu.fp16_matmul import Fp16Linear, cpu_converts_fp16  # noqa: E402
from tydust_assetgen.generate.musicgen.decoder.cpu.linear import CpuPrecision  # noqa: E402
from tydust_assetgen.generate.musicgen.decoder.cpu.llvm_codegen import CPU_FEATURES  # noqa: E402
from tydust_assetgen.generate.musicgen.decoder.cpu.matmul import cpu_vendor, make_linear  # noqa: E402

pytestmark = pytest.mark.skipif(not cpu_converts_fp16(), reason="this CPU does not convert numbers of 16 bits")

Tensor = Any
SIZES = st.tuples(st.integers(1, 70), st.integers(1, 300), st.integers(1, 20))
SEEDS = st.integers(0, 99)


def noise(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def weights(count: int, depth: int, seed: int = 1) -> Tensor:
    return (noise(count, depth, seed=seed) / depth**0.5).half()


def reckoned(x: Tensor, weight: Tensor) -> Tensor:
    """Each of 16 sums takes every 16th channel; then quarters one after the other, then neighbours. A product of 16
    and 32 bits is exact in 64, so that with the sum it is rounded once, as the CPU does it."""
    filled = functional.pad(torch.stack([x, x]), (0, -x.shape[-1] % 16))[0].double().numpy()
    wide = functional.pad(weight.float(), (0, -x.shape[-1] % 16)).double().numpy()
    sums = np.zeros((len(filled), len(wide), 16), np.float32)
    for start in range(0, filled.shape[1], 16):
        here = slice(start, start + 16)
        sums = (filled[:, None, here] * wide[None, :, here] + sums).astype(np.float32)
    quarters = sums.reshape(*sums.shape[:2], 4, 4)
    four = ((quarters[..., 0, :] + quarters[..., 1, :]) + quarters[..., 2, :]) + quarters[..., 3, :]
    return torch.from_numpy((four[..., 0] + four[..., 1]) + (four[..., 2] + four[..., 3]))


@given(sizes=SIZES, seed=SEEDS)
@settings(max_examples=60, deadline=None)
def test_sums_are_made_in_the_order_that_is_said(sizes: tuple[int, int, int], seed: int) -> None:
    count, depth, lines = sizes
    weight, x = weights(count, depth, seed), noise(lines, depth, seed=seed + 1)
    assert torch.equal(Fp16Linear(weight)(x), reckoned(x, weight))


@pytest.mark.skipif(
    cpu_vendor() != "GenuineIntel" or not CPU_FEATURES.get("avx512f"), reason="torch adds up in another order here"
)
@pytest.mark.parametrize(("count", "depth"), [(3072, 1024), (1024, 4096), (1536, 1536), (8192, 2048), (768, 256)])
@pytest.mark.parametrize("lines", [2, 4, 8])
def test_they_have_the_bits_of_torchs_own(count: int, depth: int, lines: int) -> None:
    weight, x = weights(count, depth), noise(lines, depth)
    assert torch.equal(Fp16Linear(weight)(x), functional.linear(x, weight.float()))


def test_every_number_of_16_bits_is_taken_as_it_is() -> None:
    """Those that are not normal among them."""
    every = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16).view(torch.float16)
    every = every[every.isfinite()][: 63488 // 32 * 32].reshape(-1, 32)
    made = Fp16Linear(every)(torch.eye(32))
    assert torch.equal(made, every.float().T)
    assert int(((made != 0) & (made.abs() < 2.0**-14)).sum()) == 2 * 1023


@given(sizes=SIZES, seed=SEEDS, loud=st.sampled_from([1.0, 1e6, float("nan")]))
@settings(max_examples=60, deadline=None)
def test_a_line_has_the_same_bits_in_any_company(sizes: tuple[int, int, int], seed: int, loud: float) -> None:
    count, depth, lines = sizes
    product, x = Fp16Linear(weights(count, depth, seed)), noise(lines + 1, depth, seed=seed + 1)
    x[:-1] *= loud
    assert torch.equal(product(x)[-1:], product(x[-1:]))


@pytest.mark.parametrize("depth", [1024, 4096])
def test_threads_change_no_bit(depth: int) -> None:
    product, x, before, made = Fp16Linear(weights(1023, depth)), noise(7, depth), torch.get_num_threads(), []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        made.append(product(x))
    torch.set_num_threads(before)
    assert torch.equal(made[0], made[1])
    assert torch.equal(made[0], made[2])


@given(sizes=SIZES, seed=SEEDS, each=st.sampled_from([1, 2]))
@settings(max_examples=60, deadline=None)
def test_what_is_made_may_be_added(sizes: tuple[int, int, int], seed: int, each: int) -> None:
    """To every line, or each second one, and to nothing else."""
    count, depth, lines = sizes
    product, found = Fp16Linear(weights(count, depth, seed)), noise(lines, depth, seed=seed + 1)
    x = noise(each * lines, count, seed=seed + 2)
    added = x.clone()
    product.add(found, added, each)
    right = x.clone()
    right[::each] += product(found)
    assert torch.equal(added, right)


def test_many_columns_at_once_are_multiplied_as_torch_does_it() -> None:
    weight, x = weights(96, 64), noise(2, 9, 64)
    assert torch.equal(Fp16Linear(weight)(x), functional.linear(x, weight.float()))
    single = noise(5, 1, 64)
    assert torch.equal(Fp16Linear(weight)(single), Fp16Linear(weight)(single[:, 0])[:, None])


MADE: dict[int, Callable[..., None]] = {}


def _multiply(most: int) -> Callable[..., None]:
    """The product with tiles of so many lines, compiled once."""
    import numba

    if most not in MADE:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(fp16_matmul, "_MAX_TILE_ROWS", most)
            MADE[most] = numba.njit(parallel=True, error_model="numpy")(fp16_matmul.matmul.py_func)
            MADE[most](
                np.zeros((2, 32), np.float32), np.zeros((2, 32), np.int16), np.zeros((2, 2), np.float32), 1, False
            )
    return MADE[most]


@pytest.mark.parametrize("most", [2, 4])
@given(sizes=SIZES, seed=SEEDS)
@settings(max_examples=30, deadline=None)
def test_cpus_with_many_and_with_few_registers_have_the_same_bits(
    most: int, sizes: tuple[int, int, int], seed: int
) -> None:
    count, depth, lines = sizes
    depth = -(-depth // 32) * 32
    weight, x = weights(count, depth, seed), noise(lines, depth, seed=seed + 1)
    made = torch.empty(lines, count)
    _multiply(most)(x.numpy(), weight.view(torch.int16).numpy(), made.numpy(), 1, False)
    assert torch.equal(made, Fp16Linear(weight)(x))


def test_stored_weights_stay_as_they_are() -> None:
    weight = weights(64, 64)
    linear, x = make_linear(weight, "fp32"), noise(2, 64)
    assert isinstance(linear, Fp16Linear)
    before = linear(x)
    weight.mul_(2)
    assert torch.equal(linear(x), 2 * before), "no copy was made"


def test_without_the_instruction_they_are_multiplied_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fp16_matmul, "cpu_converts_fp16", lambda: False)
    weight, x = weights(64, 64), noise(2, 64)
    linear = make_linear(weight, "fp32", vendor="GenuineIntel")
    assert not isinstance(linear, Fp16Linear)
    assert torch.equal(linear(x), functional.linear(x, weight.float()))


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_rounded_ones_are_rounded_from_float32(precision: CpuPrecision) -> None:
    weight, x = weights(64, 64), noise(2, 64)
    assert torch.equal(make_linear(weight, precision)(x), make_linear(weight.float(), precision)(x))


def test_what_does_not_fit_is_refused() -> None:
    """Before a compiled loop reads or writes past an end."""
    product = Fp16Linear(weights(4, 64))
    for lines, x, each in (
        (noise(2, 32), noise(2, 4), 1),
        (noise(2, 64), noise(2, 4), 2),
        (noise(2, 64), noise(2, 3), 1),
    ):
        with pytest.raises(ValueError, match="don't fit"):
            product.add(lines, x, each)
    with pytest.raises(ValueError, match="don't fit"):
        product(noise(2, 96))
