"""The kernels: in Triton's interpreter each does what torch does, and for real cards each compiles without spilling.

The interpreter is asked for by the environment before Triton is loaded, and most of these tests' neighbours load it: so
what is named `check_…` here is run by a process of its own.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("triton")
pytest.importorskip("torch")

import torch
from torch import nn
from torch.nn import functional

from tydust_assetgen.generate.musicgen.decoder.cuda import triton_kernels
from tydust_assetgen.generate.musicgen.decoder.cuda.triton_kernels import SPLIT, Partials, Tile

few = settings(max_examples=6)
seeds = st.integers(0, 2**32 - 1)
types = st.sampled_from([torch.float32, torch.float16])
CLOSE = {torch.float32: 2e-5, torch.float16: 2e-2}


def in_the_interpreter(path: Path) -> None:
    """Run all checks of a file of tests."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "python_functions=check_*"]
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run([*command, str(path)], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_kernels_do_what_torch_does() -> None:
    in_the_interpreter(Path(__file__))


def drawn(seed: int, *size: int, dtype: Any = torch.float32) -> Any:
    return torch.randn(size, generator=torch.Generator().manual_seed(seed)).to(dtype)


@few
@given(seed=seeds, rows=st.integers(1, 5), books=st.sampled_from([1, 4, 8]), dim=st.sampled_from([16, 48, 320]))
def check_embeddings_are_added_up_in_order(seed: int, rows: int, books: int, dim: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    codes = torch.randint(0, 33, (rows, books), generator=rng)
    at = torch.randint(0, 512, (rows,), generator=rng)
    embeddings, positions = drawn(seed, books, 33, dim), drawn(seed + 1, 512, dim)
    out = torch.full((2 * rows, dim), 9.0)
    triton_kernels.embed(codes, at, embeddings, positions, out)
    right = torch.zeros(rows, dim)
    for book in range(books):
        right = right + embeddings[book, codes[:, book]]
    assert torch.equal(out[0::2], right + positions[at])
    assert torch.equal(out[1::2], out[0::2])


def check_a_place_beyond_all_memory_does_no_harm() -> None:
    """Rows at which nobody sits are stepped as well."""
    out = torch.zeros(2, 16)
    triton_kernels.embed(torch.zeros(1, 1).long(), torch.tensor([4000]), drawn(1, 1, 3, 16), drawn(2, 512, 16), out)
    assert torch.equal(out[0], drawn(1, 1, 3, 16)[0, 0] + drawn(2, 512, 16)[511])


@few
@given(
    seed=seeds,
    lines=st.sampled_from([1, 2, 5, 16, 17, 34]),
    inner=st.sampled_from([16, 96, 256]),
    outer=st.sampled_from([16, 48]),
    dtype=types,
    gelu=st.booleans(),
    every=st.sampled_from([1, 2]),
)
def check_products_with_a_norm_before_them(
    seed: int, lines: int, inner: int, outer: int, dtype: Any, gelu: bool, every: int
) -> None:
    norm = nn.LayerNorm(inner)
    nn.init.normal_(norm.weight, 1, 0.3, generator=torch.Generator().manual_seed(seed))
    nn.init.normal_(norm.bias, 0, 0.3, generator=torch.Generator().manual_seed(seed + 1))
    x = 3 * drawn(seed, every * lines, inner)[::every] + 0.5
    weight = drawn(seed + 3, outer, inner, dtype=dtype) / inner**0.5
    out = torch.full((lines, 2, outer), 7.0, dtype=dtype)
    triton_kernels.linear(x, weight, out[:, 0], norm=triton_kernels.fold_norm(norm, weight), gelu=gelu)
    with torch.no_grad():
        right = functional.linear(norm(x), weight.float())
    right = functional.gelu(right) if gelu else right
    assert torch.allclose(out[:, 0].float(), right, atol=CLOSE[dtype], rtol=CLOSE[dtype])
    assert (out[:, 1] == 7).all(), "lines between are not touched"


@few
@given(seed=seeds, lines=st.sampled_from([1, 3, 20]), inner=st.sampled_from([32, 192]), dtype=types)
def check_products_that_are_added(seed: int, lines: int, inner: int, dtype: Any) -> None:
    x, weight = drawn(seed, lines, inner, dtype=dtype), drawn(seed + 1, 32, inner, dtype=dtype) / inner**0.5
    before = drawn(seed + 2, lines, 2, 32)
    out = before.clone()
    triton_kernels.linear(x, weight, out[:, 1], add=True)
    right = before[:, 1] + functional.linear(x.float(), weight.float())
    assert torch.allclose(out[:, 1], right, atol=2e-5), "also halves are summed in full"
    assert torch.equal(out[:, 0], before[:, 0])


@few
@given(seed=seeds, others=st.integers(1, 15), dtype=types)
def check_a_line_does_not_depend_on_the_others(seed: int, others: int, dtype: Any) -> None:
    norm = nn.LayerNorm(64)
    x, weight = drawn(seed, 1 + others, 64), drawn(seed + 1, 48, 64, dtype=dtype)
    folded = triton_kernels.fold_norm(norm, weight)
    alone, together = torch.zeros(1, 48), torch.zeros(1 + others, 48)
    triton_kernels.linear(x[:1], weight, alone, norm=folded)
    triton_kernels.linear(x, weight, together, norm=folded)
    assert torch.equal(alone[0], together[0])


class Past:
    """Keys and values of some rows, full to the brim: what is beyond a row's place must not be heard."""

    def __init__(self, seed: int, at: list[int], columns: int, dtype: Any, *, heads: int = 2, width: int = 16) -> None:
        size = (len(at) + 1, 2, heads, columns, width)
        self.keys, self.values = drawn(seed, *size, dtype=dtype), drawn(seed + 1, *size, dtype=dtype)
        self.qkv = drawn(seed + 2, 2 * len(at), 3 * heads * width, dtype=dtype)
        self.at, self.columns, self.heads, self.width = torch.tensor(at), columns, heads, width
        self.before = self.keys.clone(), self.values.clone()

    def self_attention(self, columns: int | None = None) -> Any:
        lines, dim = len(self.qkv), self.heads * self.width
        parts = Partials.zeros(lines, self.heads, self.columns, self.width, torch.device("cpu"))
        out = torch.zeros(lines, dim, dtype=self.qkv.dtype)
        triton_kernels.self_attention(
            self.qkv, self.keys, self.values, self.at, parts, out, columns=columns or int(self.at.max()) + 1
        )
        assert not parts.done.any(), "the next step finds its counters at nought"
        return out

    def right(self, line: int) -> Any:
        """By torch, over what a line has read and what it reads now."""
        place, (query, key, value) = int(self.at[line // 2]), self.qkv[line].view(3, self.heads, 1, -1).float()
        keys, values = (each[line // 2, line % 2, :, :place].float() for each in self.before)
        keys, values = torch.cat([keys, key], dim=1), torch.cat([values, value], dim=1)
        return functional.scaled_dot_product_attention(query, keys, values).flatten()


places = st.lists(st.sampled_from([0, 1, 77, SPLIT - 1, SPLIT, SPLIT + 1, 3 * SPLIT + 5]), min_size=1, max_size=2)


@few
@given(seed=seeds, at=places, dtype=types)
def check_every_line_looks_back_from_its_own_place(seed: int, at: list[int], dtype: Any) -> None:
    past = Past(seed, at, 512, dtype)
    out = past.self_attention()
    for line in range(2 * len(at)):
        assert torch.allclose(out[line].float(), past.right(line), atol=CLOSE[dtype] / 4)
    for memory, before, part in zip((past.keys, past.values), past.before, (1, 2), strict=True):
        right = before.clone()
        for line, new in enumerate(past.qkv.unflatten(1, (3, past.heads, -1))[:, part]):
            right[line // 2, line % 2, :, at[line // 2]] = new
        assert torch.equal(memory, right), "this column was written, and no other"


def check_many_splits_are_put_together() -> None:
    """More than are gathered in one go."""
    past = Past(3, [17 * SPLIT + 3], 18 * SPLIT, torch.float32, heads=1)
    assert torch.allclose(past.self_attention()[1], past.right(1), atol=1e-6)


@few
@given(seed=seeds, place=st.sampled_from([5, SPLIT, 300]), other=st.sampled_from([0, 200, 390]))
def check_attention_does_not_depend_on_neighbours_or_on_room(seed: int, place: int, other: int) -> None:
    alone = Past(seed, [place], 512, torch.float32)
    beside = Past(seed + 9, [place, other], 768, torch.float32)
    beside.keys[0, ..., :512, :], beside.values[0, ..., :512, :] = alone.keys[0], alone.values[0]
    beside.qkv[:2] = alone.qkv
    assert torch.equal(beside.self_attention(columns=768)[:2], alone.self_attention())


def check_a_row_at_which_nobody_sits_does_no_harm() -> None:
    """Its place may lie beyond what the others read: nothing is written, and nothing is left half done."""
    past = Past(4, [3, 400], 512, torch.float32)
    out = past.self_attention(columns=SPLIT)
    assert torch.allclose(out[0], past.right(0), atol=1e-6)
    assert torch.equal(past.keys[1], past.before[0][1])


@few
@given(seed=seeds, lengths=st.lists(st.sampled_from([1, 3, 64, 65, 130]), min_size=1, max_size=3), dtype=types)
def check_each_row_hears_its_own_text_and_no_padding(seed: int, lengths: list[int], dtype: Any) -> None:
    rows, heads, width = len(lengths), 2, 16
    keys = drawn(seed, rows + 1, heads, 192, width, dtype=dtype)
    values, query = drawn(seed + 1, *keys.shape, dtype=dtype), drawn(seed + 2, rows, heads * width, dtype=dtype)
    out = torch.zeros(rows, heads * width, dtype=dtype)
    triton_kernels.cross_attention(query, keys, values, torch.tensor([*lengths, 1], dtype=torch.int32), out)
    for row, length in enumerate(lengths):
        asked = query[row].float().view(heads, 1, width)
        known, meant = keys[row, :, :length].float(), values[row, :, :length].float()
        right = functional.scaled_dot_product_attention(asked, known, meant).flatten()
        assert torch.allclose(out[row].float(), right, atol=CLOSE[dtype] / 4)


# What follows is compiled for cards that need not be here.

DIMS = {"small": 1024, "medium": 1536, "large": 2048}
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
needs_a_compiler = pytest.mark.skipif(INTERPRETED, reason="Triton interprets in this process")
MOST_SHARED_BYTES = 99 << 10
"""What one program may have on every card since Ampere (CUDA C++ Programming Guide, table of compute capabilities)."""


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path / "triton"))


def compiled(kernel: Any, types: dict[str, str], constants: dict[str, Any], card: int, **options: int) -> Any:
    """A kernel as the launcher compiles it, for pointers and strides in multiples of 16."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    names = kernel.arg_names
    signature = {name: types.get(name, "constexpr") for name in names}
    aligned = [name for name, kind in types.items() if kind[0] == "*" or name.endswith(("stride", "room"))]
    source = ASTSource(
        fn=kernel,
        signature=signature,
        constexprs={(names.index(name),): value for name, value in constants.items()},
        attrs={(names.index(name),): [["tt.divisibility", 16]] for name in aligned},
    )
    return triton.compile(source, target=GPUTarget("cuda", card, 32), options={**triton_kernels.COMPILED, **options})


def product(dim: int, lines: int, card: int, what: str, dtype: str = "fp16") -> Any:
    """One of a layer's products, for so many lines."""
    normed, inner = what in ("qkv", "up"), 4 * dim if what == "down" else dim
    element_bytes = 4 if dtype == "fp32" else 2
    tile = Tile.of({"qkv": 3 * dim, "up": 4 * dim}.get(what, dim), inner, element_bytes, lines, normed=normed)
    pointers = {
        "x": "*fp32" if normed else f"*{dtype}",
        "weight": f"*{dtype}",
        "out": f"*{dtype}" if normed else "*fp32",
    }
    numbers = dict.fromkeys(("gains", "sums", "shifts"), "*fp32") | dict.fromkeys(
        ("lines", "x_stride", "out_stride"), "i32"
    )
    constants = {"inner": inner, "block_lines": tile.lines, "block_outer": tile.outer, "block_inner": tile.inner}
    early = 128 // element_bytes if card >= 90 else 0
    flags = {"parallel": tile.parallel, "normed": normed, "gelu": what == "up", "add": not normed, "prefetched": early}
    return compiled(
        triton_kernels._linear,
        pointers | numbers | {"eps": "fp32"},
        constants | flags,
        card,
        num_warps=4,
        num_stages=tile.stages,
    )


def spilled_bytes(made: Any, tmp_path: Path) -> int:
    """What a program keeps in memory for want of registers."""
    import triton

    path = tmp_path / "kernel.cubin"
    path.write_bytes(made.asm["cubin"])
    command = [triton.knobs.nvidia.cuobjdump.path, "-res-usage", str(path)]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    return max(int(number) for number in re.findall(r"(?:STACK|LOCAL):(\d+)", told.stdout))


def waits_before_it_reads(made: Any) -> bool:
    """Whether what comes early touches nothing but weights before all others have ended."""
    text = made.asm["ptx"]
    first = re.search(r"ld\.global|st\.global|cp\.async|atom", text)
    assert first is not None
    return bool(text.index("griddepcontrol.launch_dependents") < text.index("griddepcontrol.wait") < first.start())


CARDS = [
    *(("large", lines, 90, "fp16", what) for lines in (2, 32) for what in ("qkv", "out", "up", "down")),
    *((size, lines, 90, "fp16", "qkv") for size in ("small", "medium") for lines in (2, 32)),
    *(("medium", 32, 80, dtype, what) for dtype in ("fp16", "bf16") for what in ("up", "down")),
    *(("medium", 32, 90, "fp32", what) for what in ("up", "down")),
]


@needs_a_compiler
@pytest.mark.parametrize(("size", "lines", "card", "dtype", "what"), CARDS)
def test_products_fit_on_a_card(tmp_path: Path, size: str, lines: int, card: int, dtype: str, what: str) -> None:
    made = product(DIMS[size], lines, card, what, dtype)
    assert made.metadata.shared <= MOST_SHARED_BYTES
    assert spilled_bytes(made, tmp_path) == 0
    halves = made.asm["ptx"].count("mma.sync")
    assert (halves > 0) == (dtype != "fp32"), "halves go through the tensor cores, float32 never does"
    assert made.asm["ptx"].count("cp.async") >= 2, "weights are fetched while others are worked on"
    assert ("griddepcontrol" in made.asm["ptx"]) == (card >= 90), "older cards don't know the word"
    if card >= 90:
        assert waits_before_it_reads(made)
        assert made.asm["ptx"].index("prefetch.global.L2") < made.asm["ptx"].index("griddepcontrol.wait")


@needs_a_compiler
@pytest.mark.parametrize("dtype", ["fp16", "bf16", "fp32"])
def test_attention_fits_on_a_card(tmp_path: Path, dtype: str) -> None:
    half = dict.fromkeys(("qkv", "query", "keys", "values", "out"), f"*{dtype}")
    scratch = dict.fromkeys(("sums", "peaks", "shares"), "*fp32") | {"positions": "*i64", "done": "*i32"}
    back = {
        name: (half | scratch)[name]
        for name in ("qkv", "keys", "values", "positions", *tuple(scratch)[:3], "done", "out")
    }
    sizes: dict[str, Any] = {"heads": 24, "head_dim": 64, "block": SPLIT}
    words = {name: half[name] for name in ("query", "keys", "values", "out")} | {"lengths": "*i32", "room": "i32"}
    looking = compiled(
        triton_kernels._self_attention,
        back | {"room": "i32", "splits": "i32"},
        sizes | {"splits_at_once": 16, "early": True},
        90,
    )
    hearing = compiled(triton_kernels._cross_attention, words, sizes | {"block": 64, "early": True}, 90)
    for made in (looking, hearing):
        assert spilled_bytes(made, tmp_path) == 0
        assert made.metadata.shared <= MOST_SHARED_BYTES
        assert waits_before_it_reads(made)
    before, _, _ = looking.asm["ptx"].partition("atom.global.gpu.acq_rel.add")
    assert before != looking.asm["ptx"]
    assert before.rindex("st.global") < before.rindex("bar.sync"), "all have written before one counts"


def order(made: Any) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """In which order a compiled product sums: by which instruction, and how registers, lanes and warps share each axis
    that is reduced. How they share the lines, which don't meet, makes no difference."""
    text = made.asm["ttgir"]
    told = dict(line.split(" = ", 1) for line in text.splitlines() if line.startswith("#"))
    shared = []
    for each in text.split('"tt.reduce"')[1:]:
        axis, what = (
            re.search(sought, each) for sought in (r"axis = (\d)", r"\}\) : \(tensor<\d+x\d+x\d+xf32, (#\w+)>")
        )
        if axis and what:
            sizes = re.findall(r"\w+ = \[(\d+), (\d+), (\d+)\]", told[what[1]])
            shared.append((axis[1], [each[n] for each in sizes for n in {0, int(axis[1])}]))
    return sorted(set(re.findall(r"mma\.sync\S*", made.asm["ptx"]))), shared


@needs_a_compiler
@pytest.mark.parametrize(("card", "dtype"), [(80, "fp16"), (90, "fp16"), (90, "fp32")])
def test_few_lines_and_many_are_summed_in_one_order(card: int, dtype: str) -> None:
    """So a row's bits stay what they are, however many play beside it."""
    few, many = (order(product(DIMS["medium"], lines, card, "qkv", dtype)) for lines in (2, 32))
    assert few == many
    assert [axis for axis, _ in few[1]] == ["0", "2", "2"], "a product, a mean and a variance"


@pytest.mark.parametrize("dim", DIMS.values())
def test_products_are_shared_out_among_a_whole_card(dim: int) -> None:
    """Each of some hundred multiprocessors has something to fetch, and a block along K is the same for all rows."""
    shapes = [(3 * dim, dim), (dim, dim), (4 * dim, dim), (dim, 4 * dim), (8192, dim), (16384, dim)]
    for outer, inner in shapes:
        few, many = (Tile.of(outer, inner, 2, lines, normed=inner == dim) for lines in (2, 32))
        deep = few.inner * few.parallel
        assert few[2:4] == many[2:4]
        assert inner % deep == outer % few.outer == outer % many.outer == 0
        assert outer // few.outer >= 64
        flying = (few.stages - 1) * few.outer * deep * 2 * min(outer // few.outer, 264)
        assert flying >= 1_250_000, "bytes on their way: 3 TB/s times half a microsecond is 1.5 MB"


class Hopper:
    """A driver with no card behind it: it says for which one to compile."""

    def get_current_target(self) -> Any:
        from triton.backends.compiler import GPUTarget

        return GPUTarget("cuda", 90, 32)

    def get_current_device(self) -> int:
        return 99  # whose kernels no card that is here gets

    def get_current_stream(self, device: int) -> int:
        return device


class Launched:
    """A kernel that is compiled for what it is launched with, and not run."""

    variants: ClassVar[dict[str, tuple[bool, bool]]] = {}

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel

    def __getitem__(self, grid: Any) -> Any:
        def launch(*given: Any, **options: Any) -> None:
            made = self._kernel.warmup(*given, grid=grid, **options)
            self.variants[made.hash] = (made.metadata.enable_fp_fusion, made.metadata.launch_pdl)

        return launch


@needs_a_compiler
def test_launches_are_compiled_once_for_all_numbers_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """As they are launched, for Hopper: two ways of each product, for few lines and for many, and one of all else."""
    import triton

    monkeypatch.setattr(triton.runtime.driver, "_active", Hopper())
    monkeypatch.setattr(Launched, "variants", {})
    for name in ("_embed", "_linear", "_self_attention", "_cross_attention"):
        monkeypatch.setattr(triton_kernels, name, Launched(getattr(triton_kernels, name)))
    half, books, heads, width = torch.float16, 4, 4, 16
    dim = heads * width
    keys, words = torch.zeros(32, 2, heads, 512, width, dtype=half), torch.zeros(32, heads, 64, width, dtype=half)
    weight = torch.zeros(3 * dim, dim, dtype=half)
    norm, parts = (
        triton_kernels.fold_norm(nn.LayerNorm(dim), weight),
        Partials.zeros(64, heads, 512, width, torch.device("cpu")),
    )
    for rows in (1, 2, 7, 8, 16, 32):
        at, x, mixed = torch.zeros(rows).long(), torch.zeros(2 * rows, dim), torch.zeros(2 * rows, dim, dtype=half)
        qkv, lengths = torch.zeros(2 * rows, 3 * dim, dtype=half), torch.ones(32).int()
        codes = torch.zeros(rows, books).long()
        triton_kernels.embed(codes, at, torch.zeros(books, 33, dim), torch.zeros(512, dim), x)
        triton_kernels.linear(x, weight, qkv, norm=norm, early=True)
        triton_kernels.self_attention(qkv, keys, keys, at, parts, mixed, columns=300, early=True)
        triton_kernels.linear(mixed[:rows], weight[:dim], x.view(rows, 2, dim)[:, 0], add=True, early=True)
        triton_kernels.cross_attention(mixed[:rows], words, words, lengths, mixed[rows:], early=True)
    kinds = sorted(Launched.variants.values())
    assert kinds == [(True, False)] + 6 * [(True, True)], "all with fusion; the first one has others' work before it"
