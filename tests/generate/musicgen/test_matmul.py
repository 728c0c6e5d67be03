"""Products with weights: how far from the truth each precision may be, and that no line hears its neighbours."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from tydust_assetgen.generate.musicgen.decoder.config import Shape  # noqa: E402
from tydust_assetgen.generate.musicgen.decoder.cpu import matmul  # noqa: E402
from tydust_assetgen.generate.musicgen.decoder.cpu.linear import CpuPrecision  # noqa: E402
from tydust_assetgen.generate.musicgen.decoder.cpu.matmul import (  # noqa: E402
    cpu_vendor,
    is_packed_on,
    make_linear,
    max_reproducible_tracks,
)

Tensor = Any
PRECISIONS: tuple[CpuPrecision, ...] = get_args(CpuPrecision)
MAKERS = ("GenuineIntel", "AuthenticAMD")
SIZES = st.tuples(st.integers(1, 70), st.integers(1, 130), st.integers(2, 20))


def noise(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def shape(dim: int, codebooks: int = 4, card: int = 2048) -> Shape:
    return Shape(dim, dim // 64, 2, codebooks, card, tuple(range(codebooks)), 10_000.0, 1.0, True)


def truth(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """The product, and what its terms add up to without their signs."""
    x, weight = x.double(), weight.double()
    return x @ weight.T, x.abs() @ weight.abs().T


def summing(depth: int) -> float:
    """What sums of so many products may be wrong by, for each unit of their terms (N. Higham, "Accuracy and Stability
    of Numerical Algorithms", 2nd edition, section 3.1), in float32."""
    return (depth + 2) * 2.0**-24


@contextmanager
def threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    yield
    torch.set_num_threads(before)


# How far from the truth


@pytest.mark.parametrize("vendor", MAKERS)
@given(sizes=SIZES, seed=st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_fp32_rounds_nothing(vendor: str, sizes: tuple[int, int, int], seed: int) -> None:
    count, depth, lines = sizes
    weight, x = noise(count, depth, seed=seed), noise(lines, depth, seed=seed + 1)
    product, terms = truth(x, weight)
    assert ((make_linear(weight, "fp32", vendor=vendor)(x) - product).abs() <= summing(depth) * terms).all()


@pytest.mark.parametrize("vendor", MAKERS)
@given(sizes=SIZES, seed=st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_bf16_rounds_weights_lines_and_what_comes_out(vendor: str, sizes: tuple[int, int, int], seed: int) -> None:
    count, depth, lines = sizes
    weight, x = noise(count, depth, seed=seed), noise(lines, depth, seed=seed + 1)
    made = make_linear(weight, "bf16", vendor=vendor)(x)
    unit = 2.0**-8
    product, terms = truth(x, weight)
    assert ((made - product).abs() <= ((1 + unit) ** 3 - 1 + summing(depth)) * terms).all()
    exact, terms = truth(x, weight.bfloat16())  # never worse than if only what is said were rounded
    assert ((made - exact).abs() <= ((1 + unit) ** 2 - 1 + summing(depth)) * terms).all()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_silence_stays_silent_and_what_is_no_number_is_not_hidden(precision: CpuPrecision) -> None:
    linear, x = make_linear(noise(8, 16), precision), noise(3, 16)
    x[0], x[1, 5] = 0.0, float("nan")
    made = linear(x)
    assert (made[0] == 0).all()
    assert made[1].isnan().all()
    assert made[2].isfinite().all()
    assert (make_linear(torch.zeros(8, 16), precision)(noise(2, 16)) == 0).all()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_lines_may_stand_in_any_arrangement(precision: CpuPrecision) -> None:
    linear, x = make_linear(noise(6, 10), precision), noise(4, 3, 2, 10)
    assert linear(x).shape == (4, 3, 2, 6)
    assert torch.equal(linear(x).view(24, 6), linear(x.view(24, 10)))
    turned = x.transpose(0, 2)
    assert torch.equal(linear(turned), linear(turned.contiguous()))


@pytest.mark.parametrize(("precision", "vendor"), [("bf16", ""), ("int8", ""), ("fp32", "AuthenticAMD")])
def test_what_is_packed_needs_the_original_no_more(precision: CpuPrecision, vendor: str) -> None:
    weight, x = noise(32, 48), noise(4, 48)
    linear = make_linear(weight, precision, vendor=vendor)
    before = linear(x)
    weight.zero_()
    assert torch.equal(linear(x), before)


# No line hears its neighbours


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("dim", [32, 64, 1024])
def test_as_many_tracks_as_are_promised_are_alike(precision: CpuPrecision, dim: int) -> None:
    """To the last bit, with other weights and lines than those that the promise was tried with."""
    sizes = shape(dim, card=320 if dim < 1024 else 2048)
    rows = max_reproducible_tracks(precision, sizes)
    assert 1 <= rows <= 8
    for count, depth in ((3 * dim, dim), (dim, dim), (4 * dim, dim), (dim, 4 * dim), (4 * sizes.card, dim)):
        linear, x = make_linear(noise(count, depth, seed=5), precision), noise(2 * rows, depth, seed=6)
        alone = torch.cat([linear(pair) for pair in x.split(2)])
        for played in range(1, rows + 1):
            assert torch.equal(linear(x[: 2 * played]), alone[: 2 * played])
        ones = torch.cat([linear(line.expand(2, -1))[:1] for line in x[:rows].split(1)])
        for played in range(2, rows + 1):
            assert torch.equal(linear(x[:played]), ones[:played])


@pytest.mark.parametrize(("precision", "stored"), [("int8", torch.float32), ("fp32", torch.float16)])
def test_our_own_products_are_alike_for_all(precision: CpuPrecision, stored: Any) -> None:
    """By the trial that libraries' products go through."""
    for count, depth in ((192, 64), (64, 64), (2048, 1024)):
        product = make_linear(noise(count, depth).to(stored), precision)
        if not product.batch_invariant:
            pytest.skip("this CPU does not convert numbers of 16 bits")
        assert [matmul._reproducible_tracks(product, depth, each) for each in (1, 2)] == [8, 8]


@pytest.mark.parametrize("other", range(3, 18))
@pytest.mark.parametrize("each", [1, 2])
def test_the_trial_finds_the_first_number_of_lines_that_is_made_otherwise(other: int, each: int) -> None:
    """From `other` lines on the last bit of one number differs."""

    def linear(x: Tensor) -> Tensor:
        made = x * 2
        if len(x) >= other:
            made[-1, 0] = torch.nextafter(made[-1, 0], torch.tensor(9e9))
        return made

    assert matmul._reproducible_tracks(linear, 8, each) == min((other - 1) // each, 8)


@pytest.mark.parametrize("each", [1, 2])
def test_nobody_is_alike_where_neighbours_are_heard(each: int) -> None:
    assert matmul._reproducible_tracks(lambda x: x / x.abs().max(), 8, each) == 1
    places = torch.arange(16.0)[:, None]
    assert matmul._reproducible_tracks(lambda x: x + places[: len(x)], 8, each) == 1
    assert matmul._reproducible_tracks(lambda x: x + 1, 8, each) == 8


def test_the_trial_leaves_the_dice_alone() -> None:
    torch.manual_seed(3)
    first = torch.rand(1)
    torch.manual_seed(3)
    matmul._reproducible_for.cache_clear()
    max_reproducible_tracks("fp32", shape(32, card=64))
    assert torch.equal(torch.rand(1), first)


# The vendor


@pytest.mark.parametrize(
    ("vendor", "packed"),
    [
        ("AuthenticAMD", True),
        ("HygonGenuine", True),
        ("AMD64 Family 25 Model 33 Stepping 2, AuthenticAMD", True),
        ("GenuineIntel", False),
        ("Intel64 Family 6 Model 151 Stepping 2, GenuineIntel", False),
        ("arm", False),
        ("", False),
    ],
)
def test_amds_cpus_have_their_weights_packed(vendor: str, packed: bool) -> None:
    assert is_packed_on(vendor) is packed


def test_the_vendor_is_that_of_this_machine() -> None:
    assert cpu_vendor() == cpu_vendor().strip()
    if sys.platform == "linux" and platform.machine() == "x86_64":
        assert cpu_vendor() in Path("/proc/cpuinfo").read_text("utf-8")


def test_the_two_ways_are_two_ways() -> None:
    """Packed weights are a copy and plain ones are not: so a vendor does decide something."""
    weight, x = noise(64, 64), noise(4, 64)
    plain, packed = (make_linear(weight, "fp32", vendor=vendor) for vendor in MAKERS)
    assert torch.allclose(plain(x), packed(x), rtol=1e-4, atol=1e-4)
    weight.zero_()
    assert (plain(x) == 0).all()
    assert (packed(x) != 0).any()
