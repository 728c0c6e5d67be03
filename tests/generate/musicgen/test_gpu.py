"""What only a GPU can show: our kernels on a card, recorded and replayed, at true size and in half precision."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.generate.musicgen import caches
from tests.generate.musicgen.briefs import RATE_HZ, brief_for, perform
from tydust_assetgen.generate.musicgen import MusicGen

pytest.importorskip("audiocraft")
import torch  # after it is known to be here

from tests.generate.musicgen.test_decoder import Asked, attributes
from tydust_assetgen.generate.musicgen.decoder import build_transformer
from tydust_assetgen.generate.musicgen.decoder.batch_scheduler import BatchScheduler
from tydust_assetgen.generate.musicgen.decoder.batch_state import apply_delays
from tydust_assetgen.generate.musicgen.decoder.cuda.self_test import BOUNDS, _logit_error
from tydust_assetgen.generate.musicgen.decoder.engine import Engine
from tydust_assetgen.generate.musicgen.decoder.requests import Sampling, WindowRequest, encode_conditions
from tydust_assetgen.generate.musicgen.runtime.load import load
from tydust_assetgen.generate.musicgen.spec.models import find

if TYPE_CHECKING:
    from tests.generate.musicgen.checkpoints import Checkpoint

MADE_BY = MusicGen()
DEVICE: Any = "cuda"
GREEDY, FREE = Sampling(temperature=0.0), Sampling(temperature=1.1, top_k=0)
pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module", autouse=True)
def _needs_a_gpu() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    pytest.importorskip("triton")


@pytest.fixture(scope="module")
def medium(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.generate.musicgen.checkpoints import make

    folder: Path = tmp_path_factory.mktemp("medium")
    make(folder, kind="t5", scale="medium", hf_home=caches.HF_HOME, torch_home=caches.TORCH_HOME)
    return folder


@dataclass
class Plays:
    """A model on the card, and our network over it."""

    musicgen: Any
    network: Any

    @classmethod
    def of(cls, folder: Path, precision: Any) -> Plays:
        loaded = load(find(str(folder), "", folder), device=DEVICE, precision=precision).musicgen
        network, reason = build_transformer(loaded.lm, precision)
        assert not reason
        return cls(loaded, network)

    def engine(self, *asked: Asked, rows: int) -> Engine:
        return Engine(self.network, rows=rows, frames=max(each.known + each.new for each in asked))

    def play(self, *asked: Asked, rows: int = 16, engine: Engine | None = None) -> list[torch.Tensor]:
        """Codes, in the order of what was asked for."""
        ready = [each.prepare(self.musicgen) for each in asked]
        list(BatchScheduler(engine or self.engine(*asked, rows=rows)).run(ready))
        return [each.codes for each in ready if each.codes is not None]


@dataclass
class OnCard(Asked):
    """A track whose dice and prompt are where the network is."""

    lead: tuple[torch.Tensor, torch.Tensor] | None = field(default=None)

    def prepare(self, musicgen: Any) -> OnCard:
        super().prepare(musicgen)
        self.prompt, self.rng = self.prompt.to(DEVICE), torch.Generator(DEVICE).manual_seed(self.seed)
        with musicgen.autocast, torch.inference_mode():
            self.lead = encode_conditions(musicgen.lm, attributes(musicgen, self.words))
        return self

    def next_window(self) -> WindowRequest | None:
        if not self.left:
            return None
        self.left = False
        assert self.lead is not None
        return WindowRequest(self.prompt, self.known + self.new, *self.lead)

    def margin(self, theirs: torch.Tensor) -> float:
        """By how little two tokens differed where two plays of a track part first, as a share of the larger."""
        lm = self.musicgen.lm
        assert self.codes is not None
        ours, other = (self._sequence(codes) for codes in (self.codes, theirs))
        column = int((ours != other).any(0).nonzero()[0])
        book = int((ours[:, column] != other[:, column]).nonzero()[0])
        with torch.inference_mode():
            conditional, unconditional = self._logits(ours[:, :column])
        guided = unconditional + (conditional - unconditional) * self.sampling.cfg_coef
        scores = guided[book].softmax(-1) if self.sampling.temperature <= 0 else self._scores(guided, column)[book]
        assert scores.shape == (lm.card,)
        one, two = scores[ours[book, column]], scores[other[book, column]]
        return float((one - two).abs() / torch.maximum(one, two))

    def _sequence(self, codes: torch.Tensor) -> torch.Tensor:
        return apply_delays(codes, codes.shape[1], self.musicgen.lm.pattern_provider.delays, self.musicgen.lm.card)

    def _logits(self, columns: torch.Tensor) -> torch.Tensor:
        """By audiocraft, of the column that follows these."""
        asked = attributes(self.musicgen, self.words)
        lm = self.musicgen.lm
        from audiocraft.modules.conditioners import ClassifierFreeGuidanceDropout

        nothing = ClassifierFreeGuidanceDropout(p=1.0)(asked)
        told = lm.condition_provider(lm.condition_provider.tokenize(asked + nothing))
        logits: torch.Tensor = lm.forward(columns.expand(2, -1, -1), [], condition_tensors=told)
        return logits[:, :, -1].float()

    def _scores(self, guided: torch.Tensor, column: int) -> torch.Tensor:
        """Shares over the noise that this column was drawn with."""
        rng = torch.Generator(DEVICE).manual_seed(self.seed)
        noise = torch.ones_like(guided)
        for _ in range(column - self.known):  # the first column that is drawn is `known` + 1
            noise.exponential_(1, generator=rng)
        return (guided / self.sampling.temperature).softmax(-1) / noise


MIXED = (
    OnCard("calm", 60, seed=1, sampling=GREEDY),
    OnCard("boss battle, heavy drums and brass, 140 bpm", 90, seed=2, known=40, sampling=FREE),
    OnCard("menu", 3, seed=3, known=120, sampling=FREE),
    OnCard("x", 40, seed=4, sampling=FREE),
    OnCard("dungeon ambience with drips", 75, seed=5, known=100, sampling=GREEDY),
)


@pytest.mark.parametrize("kind", ["tiny_t5", "tiny_stereo", "tiny_melody"])
def test_in_full_precision_tokens_are_audiocrafts(kind: str, request: pytest.FixtureRequest) -> None:
    """Or two tokens were as good as equal where they part: sums are made in another order."""
    made: Checkpoint = request.getfixturevalue(kind)
    plays = Plays.of(made.folder, "fp32")
    for each, ours in zip(MIXED, plays.play(*MIXED, rows=3), strict=True):
        theirs = each.by_audiocraft()
        assert ours.shape == theirs.shape
        assert torch.equal(ours, theirs) or each.margin(theirs) < 1e-3


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_in_half_precision_logits_are_off_by_rounding_alone(tiny_t5: Checkpoint, precision: str) -> None:
    plays = Plays.of(tiny_t5.folder, precision)
    with torch.inference_mode():
        assert _logit_error(plays.network, plays.musicgen.lm) < BOUNDS[plays.network.dtype] / 5


@pytest.mark.slow
def test_so_they_are_at_true_size(medium: Path) -> None:
    plays = Plays.of(medium, "fp16")
    with torch.inference_mode():
        assert _logit_error(plays.network, plays.musicgen.lm) < BOUNDS[torch.float16]


def alone_and_among(plays: Plays, count: int) -> None:
    """A row's tokens are the same to the last one, whoever plays beside; in half precision a single bit of a logit
    would show within some hundred tokens."""
    tracks = [OnCard(("calm", "boss battle with brass")[n % 2], 40 + 9 * n, seed=n, known=11 * n) for n in range(count)]
    together = plays.play(*tracks, rows=count)
    for index in (0, 1, count - 1):
        (alone,) = plays.play(tracks[index], rows=1)
        assert torch.equal(alone, together[index])
    turned = plays.play(*reversed(tracks), rows=count // 2)
    assert torch.equal(turned[-1], together[0]), "whenever it joins"


def test_rows_do_not_hear_their_neighbours(tiny_t5: Checkpoint) -> None:
    alone_and_among(Plays.of(tiny_t5.folder, "fp16"), 20)


@pytest.mark.slow
def test_nor_at_true_size(medium: Path) -> None:
    alone_and_among(Plays.of(medium, "fp16"), 16)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_replayed_steps_are_those_that_were_recorded(tiny_t5: Checkpoint, precision: str) -> None:
    """Over the border of a bucket of columns, and with rows that end: to the last token, those of launched steps."""
    plays = Plays.of(tiny_t5.folder, precision)
    tracks = [OnCard("calm", 30 + n, seed=n, known=225 + 5 * n) for n in range(5)]
    replaying, launching = (plays.engine(*tracks, rows=5) for _ in range(2))
    launching._graphs = None
    replayed, launched = plays.play(*tracks, engine=replaying), plays.play(*tracks, engine=launching)
    assert all(torch.equal(one, other) for one, other in zip(replayed, launched, strict=True))
    assert replaying._graphs is not None
    assert replaying._graphs.refused == ""
    assert {bucket.columns for bucket, _ in replaying._graphs._graphs} == {256, 512}
    assert len({bucket.rows for bucket, _ in replaying._graphs._graphs}) > 1


def test_kernels_that_start_early_change_nothing(tiny_t5: Checkpoint) -> None:
    plays = Plays.of(tiny_t5.folder, "fp16")
    if not plays.network.early:
        pytest.skip("kernels start early on Hopper and later")
    tracks = [OnCard("calm", 100, seed=n, known=9 * n) for n in range(6)]
    early = plays.play(*tracks)
    plays.network.early = False
    assert all(torch.equal(one, other) for one, other in zip(early, plays.play(*tracks), strict=True))


def test_memory_that_is_taken_anew_is_recorded_anew(tiny_t5: Checkpoint) -> None:
    plays = Plays.of(tiny_t5.folder, "fp32")
    track = OnCard("calm", 60, seed=8)
    undisturbed = plays.play(track, rows=2)[0]

    class Growing(OnCard):
        def report(self, done: int, steps: int) -> None:
            if done == 20:
                plays.network.reserve(plays.network.rows + 1, 1024)

    engine = plays.engine(track, rows=2)
    grown = plays.play(Growing("calm", 60, seed=8), engine=engine)[0]
    assert torch.equal(grown, undisturbed)
    assert engine._graphs is not None
    assert engine._graphs._allocations == plays.network.allocations


def test_sixteen_tracks_play_together(tiny_t5: Checkpoint) -> None:
    plays = Plays.of(tiny_t5.folder, "fp16")
    tracks = [OnCard("calm", 150, seed=seed) for seed in range(16)]
    codes = plays.play(*tracks, rows=16)
    assert {each.shape for each in codes} == {(4, 150)}
    assert all(((each >= 0) & (each < plays.network.shape.card)).all() for each in codes)
    assert len({each.cpu().numpy().tobytes() for each in codes}) == 16, "each has random numbers of its own"


@pytest.mark.slow
def test_a_minute_of_medium_in_half_precision(medium: Path) -> None:
    brief = brief_for(str(medium), 60.0, parameters={"model": str(medium), "device": "cuda"})
    take = perform(MADE_BY, brief)
    assert take.audio.frames == 60 * RATE_HZ
    assert np.isfinite(take.audio.samples).all()
    assert np.sqrt(np.mean(np.square(take.audio.samples, dtype=np.float64))) > 1e-4
    assert take.provenance.libraries["precision"] == "fp16"
    assert "cuda" in take.provenance.libraries["device"]


def test_the_same_brief_gives_the_same_samples(tiny_t5: Checkpoint) -> None:
    brief = brief_for(str(tiny_t5.folder), 6.0, parameters={"model": str(tiny_t5.folder), "device": "cuda"})
    other = brief_for(str(tiny_t5.folder), 3.0, seed=99, parameters={"model": str(tiny_t5.folder), "device": "cuda"})
    first = perform(MADE_BY, brief)
    perform(MADE_BY, other)
    assert np.array_equal(first.audio.samples, perform(MADE_BY, brief).audio.samples)
