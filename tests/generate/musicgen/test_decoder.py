"""Our decoder against audiocraft's own loop: the same tokens, to the last one, whoever plays beside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("audiocraft")

import torch

from tests.generate.musicgen import caches
from tests.generate.musicgen.checkpoints import SHAPES, Kind, make
from tydust_assetgen.generate.musicgen.decoder import build_transformer
from tydust_assetgen.generate.musicgen.decoder.batch_scheduler import BatchScheduler
from tydust_assetgen.generate.musicgen.decoder.batch_state import apply_delays, remove_delays
from tydust_assetgen.generate.musicgen.decoder.config import shape_of, unsupported
from tydust_assetgen.generate.musicgen.decoder.cpu.matmul import cpu_vendor
from tydust_assetgen.generate.musicgen.decoder.cpu.transformer import CpuTransformer
from tydust_assetgen.generate.musicgen.decoder.engine import Engine
from tydust_assetgen.generate.musicgen.decoder.requests import Sampling, WindowRequest, encode_conditions
from tydust_assetgen.generate.musicgen.runtime.load import load
from tydust_assetgen.generate.musicgen.spec.models import find

if TYPE_CHECKING:
    from tests.generate.musicgen.checkpoints import Checkpoint

WORDS = ("calm", "boss battle, heavy drums and brass, 140 bpm", "menu", "dungeon ambience with drips", "x")
KINDS: tuple[Kind, ...] = ("t5", "stereo", "melody")


@dataclass
class Asked:
    """One track of one window, and what came of it. Satisfies `decoder.requests.Track`."""

    words: str
    new: int
    seed: int = 1
    known: int = 0
    sampling: Sampling = field(default_factory=Sampling)
    codes: torch.Tensor | None = None

    def prepare(self, musicgen: Any) -> Asked:
        shape = (musicgen.lm.n_q, self.known)
        rng = torch.Generator().manual_seed(self.seed)
        self.prompt = torch.randint(0, musicgen.lm.card, shape, generator=rng)
        self.musicgen, self.left, self.rng = musicgen, True, torch.Generator().manual_seed(self.seed)
        return self

    def next_window(self) -> WindowRequest | None:
        if not self.left:
            return None
        self.left = False
        conditional, unconditional = encode_conditions(self.musicgen.lm, attributes(self.musicgen, self.words))
        return WindowRequest(self.prompt, self.known + self.new, conditional, unconditional)

    def finish_window(self, codes: torch.Tensor) -> None:
        self.codes = codes

    def report(self, done: int, steps: int) -> None:
        assert 1 <= done <= steps

    def by_audiocraft(self) -> torch.Tensor:
        """What audiocraft alone plays with that seed."""
        torch.manual_seed(self.seed)
        how = self.sampling
        codes: torch.Tensor = self.musicgen.lm.generate(
            self.prompt[None] if self.known else None,
            attributes(self.musicgen, self.words),
            max_gen_len=self.known + self.new,
            use_sampling=how.temperature > 0,
            temp=how.temperature,
            top_k=how.top_k,
            top_p=how.top_p,
            cfg_coef=how.cfg_coef,
        )
        return codes[0]


def attributes(musicgen: Any, words: str) -> list[Any]:
    return list(musicgen._prepare_tokens_and_attributes([words], None)[0])


@cache
def audiocrafts(folder: Path) -> Any:
    return load(find(str(folder), "", folder), device="cpu", precision="auto").musicgen


@cache
def network(folder: Path) -> CpuTransformer:
    lm = audiocrafts(folder).lm
    return CpuTransformer(lm, shape_of(lm))


@cache
def kept(folder: Path) -> CpuTransformer:
    """As a build plays: with weights as they are stored, in 16 bits."""
    plays, _ = build_transformer(as_stored(folder).lm, "fp32")
    assert isinstance(plays, CpuTransformer)
    return plays


def as_stored(folder: Path) -> Any:
    return load(find(str(folder), "", folder), device="cpu", precision="auto", as_stored=True).musicgen


@cache
def rounded(folder: Path) -> CpuTransformer:
    pytest.importorskip("numba")
    lm = load(find(str(folder), "", folder), device="cpu", precision="auto").musicgen.lm
    plays, _ = build_transformer(lm, "int8")
    assert isinstance(plays, CpuTransformer)
    return plays


NETWORKS = pytest.mark.parametrize("made", [network, kept])


def played(
    folder: Path, asked: Sequence[Asked], *, rows: int = 1, made: Callable[[Path], CpuTransformer] = network
) -> list[Asked]:
    ready = [each.prepare(audiocrafts(folder)) for each in asked]
    frames = max(each.known + each.new for each in asked)
    ended = list(BatchScheduler(Engine(made(folder), rows=rows, frames=frames)).run(ready))
    assert sorted(map(id, ended)) == sorted(map(id, ready))
    return ready


sampling = st.builds(
    Sampling,
    temperature=st.sampled_from([0.0, 0.6, 1.1]),
    top_k=st.sampled_from([0, 5, 250]),
    top_p=st.sampled_from([0.0, 0.0, 0.8]),
    cfg_coef=st.sampled_from([1.0, 3.0, 4.5]),
)
tracks = st.lists(
    st.builds(
        Asked,
        words=st.sampled_from(WORDS),
        new=st.integers(1, 30),
        seed=st.integers(0, 2**32 - 1),
        known=st.sampled_from([0, 0, 1, 7, 40]),
        sampling=sampling,
    ),
    min_size=1,
    max_size=5,
)


@cache
def wide(kind: Kind) -> Path:
    """Two layers of a width at which products of several lines have the bits of each alone, as in the true models."""
    if not caches.INSTALLED:
        pytest.skip("the extra `musicgen` is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SHAPES, "tiny", {"dim": 256, "num_heads": 4, "num_layers": 2})
        folder = caches.ROOT / f"wide-{kind}"
        make(folder, kind=kind, segment_s=4.0, hf_home=caches.HF_HOME, torch_home=caches.TORCH_HOME)
    return folder


@NETWORKS
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=6, suppress_health_check=list(HealthCheck))
@given(asked=tracks, rows=st.integers(1, 4))
def test_every_row_has_the_tokens_of_audiocraft_alone(
    made: Callable[[Path], CpuTransformer], kind: Kind, asked: list[Asked], rows: int
) -> None:
    folder = wide(kind)
    for each in played(folder, asked, rows=min(rows, made(folder).max_rows), made=made):
        assert each.codes is not None
        assert torch.equal(each.codes, each.by_audiocraft())


@pytest.mark.skipif(cpu_vendor() != "GenuineIntel", reason="other libraries add up in other orders")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("known", [0, 1, 40])
@NETWORKS
def test_logits_have_the_bits_of_audiocrafts_own(
    made: Callable[[Path], CpuTransformer], kind: Kind, known: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tokens that are drawn from almost equal logits are the same for a while, and then they are not."""
    if made is kept and "avx512" not in torch.backends.cpu.get_cpu_capability().lower():
        pytest.skip("torch adds up in another order here")
    folder = wide(kind)
    plays, lm = made(folder), audiocrafts(folder).lm
    ours: list[torch.Tensor] = []
    theirs: list[torch.Tensor] = []
    prefill, decode = plays.prefill, plays.decode
    monkeypatch.setattr(plays, "prefill", lambda *given: ours.append(prefill(*given).clone()) or ours[-1])
    monkeypatch.setattr(plays, "decode", lambda *given: ours.append(decode(*given)[:, 0].clone()) or ours[-1][:, None])
    asked = Asked("boss battle, heavy drums and brass, 140 bpm", 12, 5, known)
    played(folder, [asked], made=made)
    hook = lm.register_forward_hook(lambda *given: theirs.append(given[-1][:, :, -1].clone()))
    asked.by_audiocraft()
    hook.remove()
    assert len(ours) == len(theirs) > 12
    assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))


def test_a_row_does_not_hear_its_neighbours() -> None:
    def tokens(*asked: Asked, rows: int) -> torch.Tensor:
        found = next(
            each for each in played(wide("t5"), asked, rows=min(rows, network(wide("t5")).max_rows)) if each.seed == 5
        )
        assert found.codes is not None
        return found.codes

    def calm() -> Asked:
        return Asked("calm", 60, seed=5)

    loud, short = Asked("loud drums", 90, seed=6), Asked("x", 3, seed=7)
    alone = tokens(calm(), rows=1)
    assert torch.equal(tokens(calm(), loud, rows=2), alone)
    assert torch.equal(tokens(loud, calm(), rows=2), alone), "the order makes no difference"
    assert torch.equal(tokens(short, loud, calm(), rows=2), alone), "nor does when it joins"


def test_tokens_that_differ_are_told_apart(tiny_t5: Checkpoint) -> None:
    """The tests above can fail: another seed, text or guidance gives other tokens."""
    one, seed, text, guided = played(
        tiny_t5.folder,
        [
            Asked("calm", 40),
            Asked("calm", 40, seed=2),
            Asked("boss battle", 40),
            Asked("calm", 40, sampling=Sampling(cfg_coef=9.0)),
        ],
    )
    for other in (seed, text, guided):
        assert one.codes is not None
        assert other.codes is not None
        assert not torch.equal(one.codes, other.codes)


@given(
    length=st.integers(1, 40),
    known=st.integers(0, 39),
    delays=st.sampled_from([(0, 1, 2, 3), (0, 0, 1, 1, 2, 2, 3, 3), (0,)]),
)
def test_a_sequence_has_every_code_once(length: int, known: int, delays: tuple[int, ...]) -> None:
    prompt = torch.arange(len(delays) * min(known, length)).view(len(delays), -1)
    sequence = apply_delays(prompt, length, delays, special=9999)
    assert sequence.shape == (len(delays), length + max(delays) + 1)
    codes = remove_delays(sequence, length, delays)
    assert torch.equal(codes[:, : prompt.shape[1]], prompt)
    assert (codes[:, prompt.shape[1] :] == -1).all()
    assert int((sequence != 9999).sum()) == len(delays) * length


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda lm: setattr(lm.transformer, "positional_embedding", "rope"), "positions"),
        (lambda lm: setattr(lm.transformer.layers[1].self_attn, "past_context", 10), "features"),
        (lambda lm: setattr(lm, "out_norm", None), "no norm"),
        (lambda lm: setattr(lm.pattern_provider, "flatten_first", 2), "more than delays"),
        (lambda lm: lm.fuser.fuse2cond.update(sum=["description"]), "summed"),
    ],
)
def test_other_models_are_left_to_audiocraft(tiny_t5: Checkpoint, change: Any, words: str) -> None:
    lm = load(find(str(tiny_t5.folder), "", tiny_t5.folder), device="cpu", precision="auto").musicgen.lm
    assert unsupported(lm) == ""
    change(lm)
    assert words in unsupported(lm)
    assert build_transformer(lm, "fp32") == (None, unsupported(lm))


@pytest.mark.parametrize("made", [network, rounded])
def test_nothing_is_read_before_it_is_written(
    made: Callable[[Path], CpuTransformer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory of rows holds what happened to lie there: here, what is no number."""
    plays = made(wide("t5"))

    def tokens() -> list[torch.Tensor | None]:
        plays.free()
        asked = [Asked("calm", 12), Asked("boss battle, heavy drums", 30, seed=2, known=7), Asked("x", 5, seed=3)]
        return [each.codes for each in played(wide("t5"), asked, rows=2, made=made)]

    before, real = tokens(), torch.empty
    monkeypatch.setattr(torch, "empty", lambda *size: real(*size).fill_(float("nan")))
    assert all(torch.equal(one, other) for one, other in zip(tokens(), before, strict=True) if one is not None)


def test_windows_of_many_lengths_have_the_tokens_of_audiocraft_alone() -> None:
    folder = wide("t5")
    words = ("calm", "boss battle, heavy drums", "menu", "x", "void")
    asked = [Asked(text, 40 + 25 * number, seed=number, known=7 * number) for number, text in enumerate(words)]
    for each in played(folder, asked, rows=min(4, network(folder).max_rows)):
        assert each.codes is not None
        assert torch.equal(each.codes, each.by_audiocraft())


@pytest.mark.parametrize("made", [network, kept, rounded])
@pytest.mark.parametrize("kind", ["t5", "melody"])
@settings(max_examples=8, suppress_health_check=list(HealthCheck))
@given(known=st.lists(st.integers(1, 60), min_size=2, max_size=6), seed=st.integers(0, 2**32 - 1))
def test_a_rows_logits_have_the_same_bits_in_any_company(
    made: Callable[[Path], CpuTransformer], kind: Kind, known: list[int], seed: int
) -> None:
    plays = made(wide(kind))
    before = [0 if plays.shape.cross else 3 + row for row in range(len(known))]
    known = known[: plays.max_rows]
    rng = torch.Generator().manual_seed(seed)
    card, books, dim = plays.shape.card, plays.shape.codebooks, plays.shape.dim
    codes = [torch.randint(0, card, (books, count + 1), generator=rng) for count in known]
    conditional = [torch.randn((3 + row, dim), generator=rng) for row in range(len(known))]
    plays.reserve(len(known), 80)

    def begin(row: int, track: int) -> None:
        plays.prefill(row, codes[track][:, :-1], conditional[track], torch.zeros_like(conditional[track]))

    with torch.inference_mode():
        for row in range(len(known)):
            begin(row, row)
        at = [ahead + count for ahead, count in zip(before, known, strict=False)]
        together = plays.decode(torch.stack([each[:, -1] for each in codes]), torch.tensor(at), 80).clone()
        for track, place in enumerate(at):
            begin(0, track)
            alone = plays.decode(codes[track][None, :, -1], torch.tensor([place]), 80)
            assert torch.equal(alone[:, 0], together[:, track])


def test_in_another_precision_the_models_own_weights_are_given_up(tiny_t5: Checkpoint) -> None:
    lm = load(find(str(tiny_t5.folder), "", tiny_t5.folder), device="cpu", precision="auto").musicgen.lm
    plays, reason = build_transformer(lm, "int8")
    assert plays is not None
    assert not reason
    assert all(weight.is_meta for weight in lm.transformer.parameters())


def test_in_fp32_stored_weights_are_shared(tiny_t5: Checkpoint) -> None:
    """The network multiplies with the same memory, and goes on where the model becomes float32 for audiocraft."""
    lm = as_stored(tiny_t5.folder).lm
    weight = lm.transformer.layers[0].linear1.weight
    assert weight.dtype == torch.float16
    plays, _ = build_transformer(lm, "fp32")
    assert isinstance(plays, CpuTransformer)
    x = torch.randn((2, plays.shape.dim), generator=torch.Generator().manual_seed(1))
    before = plays._layers[0].up(x)
    with torch.no_grad():
        weight.mul_(2)
    assert torch.equal(plays._layers[0].up(x), 2 * before)
    lm.float()
    assert torch.equal(plays._layers[0].up(x), 2 * before)
    assert torch.equal(lm.transformer.layers[0].linear1.weight, plays._layers[0].up._weight.float())


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_rounded_weights_play_nearly_the_same(tiny_t5: Checkpoint, precision: Any) -> None:
    """Logits after the same columns; tokens soon part ways."""
    exact = network(tiny_t5.folder)
    lm = load(find(str(tiny_t5.folder), "", tiny_t5.folder), device="cpu", precision="auto").musicgen.lm
    rounded, _ = build_transformer(lm, precision)
    assert rounded is not None
    rng = torch.Generator().manual_seed(0)
    codes = torch.randint(0, exact.shape.card, (exact.shape.codebooks, 30), generator=rng)
    conditional = torch.randn((9, exact.shape.dim), generator=rng)
    found = []
    for plays in (exact, rounded):
        plays.reserve(1, 64)
        with torch.inference_mode():
            plays.prefill(0, codes[:, :-1], conditional, torch.zeros_like(conditional))
            found.append(plays.decode(codes[None, :, -1], torch.tensor([29]), 64).clone())
    off = float((found[1] - found[0]).std() / found[0].std())
    assert 1e-6 < off < 0.03
