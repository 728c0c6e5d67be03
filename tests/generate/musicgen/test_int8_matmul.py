"""Products of integers: how far from the truth they may be, and that nothing but numbers decides their bits."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("numba")

from tydust_assetgen.generate.musicgen.decoder.cpu import int8_matmul, llvm_codegen  # noqa: E402
from tydust_assetgen.generate.musicgen.decoder.cpu.int8_matmul import Int8Linear, Int8Weights, max_input, quantize  # noqa: E402
from tydust_assetgen.generate.musicgen.decoder.cpu.llvm_codegen import CPU_FEATURES  # noqa: E402

Tensor = Any
SIZES = st.tuples(st.integers(1, 70), st.integers(1, 300), st.integers(2, 20))
TINY = 2.0**-126
floats = st.floats(-(2.0**100), 2.0**100, width=32)


def noise(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@contextmanager
def threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    yield
    torch.set_num_threads(before)


@given(sizes=SIZES, seed=st.integers(0, 99), loud=st.sampled_from([1.0, 60.0, 1e4]))
@settings(max_examples=60, deadline=None)
def test_weights_are_wrong_by_half_a_step_and_lines_by_half_a_unit(
    sizes: tuple[int, int, int], seed: int, loud: float
) -> None:
    """A little more: the quotients are float32."""
    count, depth, lines = sizes
    weight, x = noise(count, depth, seed=seed), noise(lines, depth, seed=seed + 1)
    x[:, seed % depth] *= loud
    product, terms = x.double() @ weight.double().T, x.abs() @ weight.abs().T
    _, step = quantize(weight)
    unit = x.abs().amax(1, keepdim=True) / max_input(depth)
    of_weights = 0.5 * step * x.abs().sum(1, keepdim=True)
    of_lines = 0.51 * unit * (weight.abs().sum(1) + 0.5 * step * depth)
    assert ((Int8Linear(weight)(x) - product).abs() <= 1.001 * (of_weights + of_lines) + 1e-6 * terms).all()


@pytest.mark.parametrize("depth", [1, 63, 64, 65, 1024, 4096, 8192, 70_000])
def test_the_largest_sums_fit(depth: int) -> None:
    """All weights and all channels as loud as can be, of one sign: one more step would run over 31 bits."""
    weight, x = torch.ones(2, depth), torch.ones(1, depth)
    weight[1] = -1
    most = max_input(depth)
    assert 127 * most * depth < 2**31
    assert most == 32_767 or 127 * (most + 1) * depth >= 2**31
    made = Int8Linear(weight)(x)
    assert torch.allclose(made, torch.tensor([[depth, -depth]], dtype=torch.float32), rtol=1e-6)


def test_lines_are_as_fine_as_is_said() -> None:
    assert [max_input(depth).bit_length() for depth in (1024, 2048, 4096, 8192)] == [15, 13 + 1, 12 + 1, 11 + 1]


@given(st.lists(st.lists(floats, min_size=5, max_size=5), min_size=1, max_size=6))
def test_what_is_rounded_comes_back_within_half_a_step(rows: list[list[float]]) -> None:
    values = torch.tensor(rows)
    numbers, step = quantize(values)
    assert int(numbers.min()) >= -127
    back = numbers.double() * step.double()[:, None]
    assert ((back - values).abs() <= 0.5001 * step.double()[:, None]).all()
    assert ((numbers != 0).any(1) | (values.abs().amax(1) < 1e-37)).all()


@given(st.lists(st.lists(floats, min_size=5, max_size=5), min_size=1, max_size=6), st.integers(1, 32_767))
def test_lines_come_back_within_half_a_unit(rows: list[list[float]], most: int) -> None:
    values = torch.tensor(rows)
    numbers, units = (torch.from_numpy(each) for each in int8_matmul._quantize_inputs(values.numpy(), most, 64))
    assert int(numbers.abs().max()) <= most
    assert (numbers[:, 5:] == 0).all()
    back = units.double()[:, None] * numbers[:, :5]
    assert ((back - values).abs() <= 0.51 * units.double()[:, None]).all()
    assert torch.allclose(units, (values.abs().amax(1) / most).clamp_min(TINY), rtol=1e-6, atol=0.0)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_stays_in_its_line(value: float) -> None:
    x = noise(3, 16)
    x[1, 5] = value
    made = Int8Linear(noise(8, 16))(x)
    assert made[1].isnan().all()
    assert made[[0, 2]].isfinite().all()


@given(sizes=SIZES, seed=st.integers(0, 99), first=st.integers(0, 18), loud=st.sampled_from([1.0, 1e6]))
@settings(max_examples=60, deadline=None)
def test_a_line_has_the_same_bits_in_any_company(
    sizes: tuple[int, int, int], seed: int, first: int, loud: float
) -> None:
    count, depth, lines = sizes
    first = min(first, lines - 2)
    product, x = Int8Linear(noise(count, depth, seed=seed)), noise(lines, depth, seed=seed + 1)
    x[:first] *= loud
    together = product(x)
    assert torch.equal(together[first : first + 2], product(x[first : first + 2]))
    assert torch.equal(together[-1:], product(x[-1:]))


@pytest.mark.parametrize("depth", [1024, 4096])
def test_threads_change_no_bit(depth: int) -> None:
    product, x = Int8Linear(noise(1024, depth)), noise(8, depth)
    with threads(1):
        alone = product(x)
    for count in (2, 3, 5):
        with threads(count):
            assert torch.equal(product(x), alone)


def _reckoned(weight: Tensor, x: Tensor) -> Tensor:
    """By numpy, in 64 bits."""
    numbers, step = quantize(weight)
    unit = (x.abs().amax(1) / max_input(weight.shape[1])).clamp_min(TINY)
    sums = (x / unit[:, None]).round().long() @ numbers.long().T
    return sums.float() * (step * unit[:, None])


@pytest.mark.parametrize("sums", ["_vnni_dot_products", "_avx2_dot_products", "_portable_dot_products"])
@given(sizes=SIZES, seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_cpus_with_and_without_the_instruction_have_the_same_bits(
    sums: str, sizes: tuple[int, int, int], seed: int
) -> None:
    count, depth, lines = sizes
    weight, x = noise(count, depth, seed=seed), noise(lines, depth, seed=seed + 1)
    made, product = torch.empty(lines, count), Int8Linear(weight)
    _multiply(sums)(x.numpy(), product.weights, made.numpy())
    assert torch.equal(made, product(x))
    assert torch.equal(made, _reckoned(weight, x))


MADE: dict[str, Callable[..., None]] = {}


def _multiply(sums: str) -> Callable[..., None]:
    """The product with one of the ways to add up, compiled once."""
    import numba

    needed = {"_vnni_dot_products": ("avx512vnni", "avx512bw"), "_avx2_dot_products": ("avx2",)}.get(sums, ())
    if not all(CPU_FEATURES.get(name) for name in needed):
        pytest.skip("this CPU has no such instruction")
    if sums not in MADE:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(int8_matmul, "_dot_products", getattr(int8_matmul, sums))
            MADE[sums] = numba.njit(parallel=True, error_model="numpy")(int8_matmul.matmul.py_func)
            MADE[sums](*_example())  # compiled with what stands there now
    return MADE[sums]


def _example() -> tuple[Any, Int8Weights, Any]:
    return noise(2, 4).numpy(), Int8Linear(noise(4, 4)).weights, torch.empty(2, 4).numpy()


def test_what_can_not_be_kept_is_compiled_all_the_same() -> None:
    """As for code in a folder that nobody may write to: here, of no file at all."""
    found: dict[str, Callable[[int], int]] = {}
    exec("def doubled(x): return 2 * x", found)
    with pytest.raises(RuntimeError, match="cannot cache"):
        int8_matmul.numba.njit(cache=True)(found["doubled"])
    assert int8_matmul.compiled()(found["doubled"])(21) == 42


@pytest.mark.parametrize(
    "told", [{"NUMBA_ENABLE_AVX": "0"}, {"NUMBA_CPU_NAME": "generic"}, {"NUMBA_CPU_NAME": "haswell"}]
)
def test_no_instruction_is_named_that_numba_must_not_use(told: dict[str, str], tmp_path: Path) -> None:
    """LLVM would end the process."""
    code = (
        "import torch; from tydust_assetgen.generate.musicgen.decoder.cpu.matmul import make_linear; "
        "weight = torch.full((3, 70), 0.5); lines = torch.ones(5, 70); "
        "print(*(float(make_linear(weight.half(), how)(lines).sum()) for how in ('fp32', 'int8')))"
    )
    own = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), **told}
    done = subprocess.run([sys.executable, "-c", code], env=own, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["525.0", "525.0"], done.stderr[-500:]


def test_what_is_kept_is_kept_for_these_sources() -> None:
    """Also of what it calls in other files."""
    assert llvm_codegen._SOURCES[:12] in int8_matmul.matmul._cache._impl.filename_base


def test_lines_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="inputs of 70 channels"):
        Int8Linear(noise(4, 64))(noise(2, 70))


def test_torch_keeps_its_number_of_threads() -> None:
    """On it depend the last bits of other products. In a process of its own, where one thread was asked for, as in a
    worker; another thread asks, too, as numbers of OpenMP are each thread's own."""
    code = (
        "import torch, threading; print(torch.get_num_threads()); "
        "from tydust_assetgen.generate.musicgen.decoder.cpu.int8_matmul import Int8Linear; "
        "print(torch.get_num_threads()); Int8Linear(torch.ones(8, 8))(torch.ones(2, 8)); "
        "print(torch.get_num_threads()); "
        "other = threading.Thread(target=lambda: print(torch.get_num_threads())); other.start(); other.join()"
    )
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1"] * 4
