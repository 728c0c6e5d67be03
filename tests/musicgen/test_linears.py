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

from tydust_assetgen.generate.musicgen.decoder import linears  # noqa: E402
from tydust_assetgen.generate.musicgen.decoder.linears import (  # noqa: E402
    Precision,
    cpu_vendor,
    digit_bits,
    linear_of,
    packs,
    rounded,
    rows_alike,
    split,
)
from tydust_assetgen.generate.musicgen.decoder.shape import Shape  # noqa: E402

Tensor = Any
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
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
    assert ((linear_of(weight, "fp32", vendor=vendor)(x) - product).abs() <= summing(depth) * terms).all()


@pytest.mark.parametrize("vendor", MAKERS)
@given(sizes=SIZES, seed=st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_bf16_rounds_weights_lines_and_what_comes_out(vendor: str, sizes: tuple[int, int, int], seed: int) -> None:
    count, depth, lines = sizes
    weight, x = noise(count, depth, seed=seed), noise(lines, depth, seed=seed + 1)
    made = linear_of(weight, "bf16", vendor=vendor)(x)
    unit = 2.0**-8
    product, terms = truth(x, weight)
    assert ((made - product).abs() <= ((1 + unit) ** 3 - 1 + summing(depth)) * terms).all()
    exact, terms = truth(x, weight.bfloat16())  # never worse than if only what is said were rounded
    assert ((made - exact).abs() <= ((1 + unit) ** 2 - 1 + summing(depth)) * terms).all()


@given(sizes=SIZES, seed=st.integers(0, 99), loud=st.sampled_from([1.0, 60.0, 1e4]), bits=st.sampled_from([8, 7]))
@settings(max_examples=60, deadline=None)
def test_int8_rounds_weights_by_half_a_step(sizes: tuple[int, int, int], seed: int, loud: float, bits: int) -> None:
    """Also with digits of 7 bits, as some CPUs need."""
    count, depth, lines = sizes
    weight, x = noise(count, depth, seed=seed), noise(lines, depth, seed=seed + 1)
    x[:, seed % depth] *= loud
    if not digit_bits(depth):
        pytest.skip("this CPU has no product of integers")
    made = linear_of(weight, "int8")(x) if bits == digit_bits(depth) else linears._int8(weight, bits)(x)
    product, terms = truth(x, weight)
    _, step = rounded(weight)
    _, unit = split(x, bits)
    of_weights = 0.5 * step * x.abs().sum(1, keepdim=True)
    of_lines = 0.51 * unit * (weight.abs().sum(1) + 0.5 * step * depth)
    assert ((made - product).abs() <= 1.001 * (of_weights + of_lines) + 1e-5 * terms).all()


def error(made: Tensor, wanted: Tensor, beside: Tensor) -> float:
    return float((made - wanted).norm() / beside.norm())


def test_loud_channels_do_not_drown_the_others() -> None:
    """Numbers of the module's first lines: gaussian values, three of 1024 channels 60 times as loud as the rest."""
    weight, x = noise(1024, 1024) / 32, noise(16, 1024, seed=2)
    loud = x.clone()
    loud[:, [3, 100, 500]] *= 60
    linear, quiet = linear_of(weight, "int8"), truth(x, weight)[0]
    assert error(linear(x), quiet, quiet) < 0.009
    assert error(linear(loud), truth(loud, weight)[0], quiet) < 0.035
    integers, step = rounded(weight)
    per_channel = torch._make_per_channel_quantized_tensor(integers, step.double(), torch.zeros(1024).long(), 0)
    theirs = torch.ops.quantized.linear_dynamic(loud, torch.ops.quantized.linear_prepack(per_channel))
    assert error(theirs, truth(loud, weight)[0], quiet) > 0.15


floats = st.floats(-(2.0**100), 2.0**100, width=32)


@given(st.lists(st.lists(floats, min_size=5, max_size=5), min_size=1, max_size=6))
def test_what_is_rounded_comes_back_within_half_a_step(rows: list[list[float]]) -> None:
    values = torch.tensor(rows)
    integers, step = rounded(values)
    assert int(integers.min()) >= -127
    back = integers.double() * step.double()[:, None]
    assert ((back - values).abs() <= 0.5001 * step.double()[:, None]).all()
    assert ((integers != 0).any(1) | (values.abs().amax(1) < 1e-37)).all()


@given(st.lists(st.lists(floats, min_size=5, max_size=5), min_size=1, max_size=6), st.sampled_from([8, 7]))
def test_two_digits_come_back_within_half_a_unit(rows: list[list[float]], bits: int) -> None:
    """A little more: the quotient is a float32."""
    values, half = torch.tensor(rows), 1 << bits - 1
    digits, unit = split(values, bits)
    assert int(digits.max()) < 1 << bits
    high, low = (digits.double() - half).view(2, *values.shape)
    back = unit.double() * (high * 2**bits + low)
    assert ((back - values).abs() <= 0.51 * unit.double()).all()
    finest = {8: 1 / 32639, 7: 1 / 8127}[bits]
    assert torch.allclose(unit[:, 0], (values.abs().amax(1) * finest).clamp_min(2.0**-126), rtol=1e-6, atol=0.0)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_silence_stays_silent_and_what_is_no_number_is_not_hidden(precision: Precision) -> None:
    linear, x = linear_of(noise(8, 16), precision), noise(3, 16)
    x[0], x[1, 5] = 0.0, float("nan")
    made = linear(x)
    assert (made[0] == 0).all()
    assert made[1].isnan().all()
    assert made[2].isfinite().all()
    assert (linear_of(torch.zeros(8, 16), precision)(noise(2, 16)) == 0).all()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_lines_may_stand_in_any_arrangement(precision: Precision) -> None:
    linear, x = linear_of(noise(6, 10), precision), noise(4, 3, 2, 10)
    assert linear(x).shape == (4, 3, 2, 6)
    assert torch.equal(linear(x).view(24, 6), linear(x.view(24, 10)))
    turned = x.transpose(0, 2)
    assert torch.equal(linear(turned), linear(turned.contiguous()))


@pytest.mark.parametrize(("precision", "vendor"), [("bf16", ""), ("int8", ""), ("fp32", "AuthenticAMD")])
def test_what_is_packed_needs_the_original_no_more(precision: Precision, vendor: str) -> None:
    weight, x = noise(32, 48), noise(4, 48)
    linear = linear_of(weight, precision, vendor=vendor)
    before = linear(x)
    weight.zero_()
    assert torch.equal(linear(x), before)


def test_sums_that_would_run_over_are_made_otherwise() -> None:
    depth = 2**31 // (255 * 127) + 1
    assert digit_bits(depth) == 0
    assert digit_bits(depth - 1) == digit_bits(1)
    weight, x = noise(3, depth).abs(), noise(2, depth).abs()
    product, terms = truth(x, weight)
    assert ((linear_of(weight, "int8")(x) - product).abs() <= 0.01 * terms).all()


# No line hears its neighbours


@given(sizes=SIZES, seed=st.integers(0, 99), first=st.integers(0, 18), loud=st.sampled_from([1.0, 1e6]))
@settings(max_examples=60, deadline=None)
def test_a_line_has_the_same_bits_in_any_company_in_int8(
    sizes: tuple[int, int, int], seed: int, first: int, loud: float
) -> None:
    count, depth, lines = sizes
    first = min(first, lines - 2)
    linear, x = linear_of(noise(count, depth, seed=seed), "int8"), noise(lines, depth, seed=seed + 1)
    x[:first] *= loud
    together = linear(x)
    assert torch.equal(together[first : first + 2], linear(x[first : first + 2]))
    assert torch.equal(together[-1:], linear(x[-1:]))


@pytest.mark.parametrize("depth", [1024, 4096])
def test_threads_change_no_bit_in_int8(depth: int) -> None:
    linear, x = linear_of(noise(1024, depth), "int8"), noise(8, depth)
    with threads(1):
        alone = linear(x)
    for count in (2, 3, 5):
        with threads(count):
            assert torch.equal(linear(x), alone)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("dim", [32, 64, 1024])
def test_as_many_tracks_as_are_promised_are_alike(precision: Precision, dim: int) -> None:
    """To the last bit, with other weights and lines than those that the promise was tried with."""
    sizes = shape(dim, card=320 if dim < 1024 else 2048)
    rows = rows_alike(precision, sizes)
    assert 1 <= rows <= 8
    for count, depth in ((3 * dim, dim), (dim, dim), (4 * dim, dim), (dim, 4 * dim), (4 * sizes.card, dim)):
        linear, x = linear_of(noise(count, depth, seed=5), precision), noise(2 * rows, depth, seed=6)
        alone = torch.cat([linear(pair) for pair in x.split(2)])
        for played in range(1, rows + 1):
            assert torch.equal(linear(x[: 2 * played]), alone[: 2 * played])
        ones = torch.cat([linear(line.expand(2, -1))[:1] for line in x[:rows].split(1)])
        for played in range(2, rows + 1):
            assert torch.equal(linear(x[:played]), ones[:played])


def test_integers_are_alike_for_all() -> None:
    if digit_bits(1024):
        assert rows_alike("int8", shape(64)) == 8


@pytest.mark.parametrize("other", range(3, 18))
@pytest.mark.parametrize("each", [1, 2])
def test_the_trial_finds_the_first_number_of_lines_that_is_made_otherwise(other: int, each: int) -> None:
    """From `other` lines on the last bit of one number differs."""

    def linear(x: Tensor) -> Tensor:
        made = x * 2
        if len(x) >= other:
            made[-1, 0] = torch.nextafter(made[-1, 0], torch.tensor(9e9))
        return made

    assert linears._alike_of(linear, 8, each) == min((other - 1) // each, 8)


@pytest.mark.parametrize("each", [1, 2])
def test_nobody_is_alike_where_neighbours_are_heard(each: int) -> None:
    assert linears._alike_of(lambda x: x / x.abs().max(), 8, each) == 1
    places = torch.arange(16.0)[:, None]
    assert linears._alike_of(lambda x: x + places[: len(x)], 8, each) == 1
    assert linears._alike_of(lambda x: x + 1, 8, each) == 8


def test_the_trial_leaves_the_dice_alone() -> None:
    torch.manual_seed(3)
    first = torch.rand(1)
    torch.manual_seed(3)
    linears._alike.cache_clear()
    rows_alike("fp32", shape(32, card=64))
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
    assert packs(vendor) is packed


def test_the_vendor_is_that_of_this_machine() -> None:
    assert cpu_vendor() == cpu_vendor().strip()
    if sys.platform == "linux" and platform.machine() == "x86_64":
        assert cpu_vendor() in Path("/proc/cpuinfo").read_text("utf-8")


def test_the_two_ways_are_two_ways() -> None:
    """Packed weights are a copy and plain ones are not: so a vendor does decide something."""
    weight, x = noise(64, 64), noise(4, 64)
    plain, packed = (linear_of(weight, "fp32", vendor=vendor) for vendor in MAKERS)
    assert torch.allclose(plain(x), packed(x), rtol=1e-4, atol=1e-4)
    weight.zero_()
    assert (plain(x) == 0).all()
    assert (packed(x) != 0).any()
