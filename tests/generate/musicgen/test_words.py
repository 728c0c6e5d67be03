"""What leads a row: each text is read once, and then the encoder's memory is given back."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.generate.musicgen import caches

if not caches.INSTALLED:
    pytest.skip("the extra `musicgen` is not installed", allow_module_level=True)

import torch

from tydust_assetgen.generate.musicgen.runtime.load import load
from tydust_assetgen.generate.musicgen.runtime.track import ConditionCache, PythonRng, TrackRequest
from tydust_assetgen.generate.musicgen.spec.models import find
from tydust_assetgen.generate.musicgen.spec.parameters import MusicGenParameters
from tydust_assetgen.generate.musicgen.spec.windows import windows

if TYPE_CHECKING:
    from tests.generate.musicgen.checkpoints import Checkpoint

TUNE = torch.sin(torch.arange(32_000) * 0.05)[None]


def piece(*texts: str, melody: Any = None) -> TrackRequest:
    ends = [100 * (number + 1) for number in range(len(texts))]
    return TrackRequest(texts, windows(ends, segment=200, stride=125), 1, MusicGenParameters(), melody)


def musicgen_of(folder: Path) -> Any:
    return load(find(str(folder), "", Path()), device="cpu", precision="auto").musicgen


def encoder_of(musicgen: Any) -> Any:
    return musicgen.lm.condition_provider.conditioners["description"].t5


def counted(musicgen: Any) -> list[list[str]]:
    """The texts that are read from now on."""
    read: list[list[str]] = []
    conditioner = musicgen.lm.condition_provider.conditioners["description"]
    tokenizer = conditioner.t5_tokenizer

    def reads(texts: list[str], **more: Any) -> Any:
        read.append(texts)
        return tokenizer(texts, **more)

    conditioner.t5_tokenizer = reads
    return read


def test_each_text_is_read_once_and_the_encoder_let_go(tiny_t5: Checkpoint) -> None:
    musicgen = musicgen_of(tiny_t5.folder)
    calm, boss = piece("calm", "menu"), piece("boss", "calm")
    alone = [ConditionCache(musicgen).conditions(calm, window, PythonRng(1)) for window in calm.windows]
    held = [weakref.ref(weight) for weight in encoder_of(musicgen).weights.values()]
    read, words = counted(musicgen), ConditionCache(musicgen)
    words.preload([calm, boss])
    assert not any(weight() is not None for weight in held)
    assert [texts[0] for texts in read] == ["calm", "menu", "boss"]
    for window, (heard, unheard) in zip(calm.windows, alone, strict=True):
        found = words.conditions(calm, window, PythonRng(1))
        assert torch.equal(found[0], heard)
        assert torch.equal(found[1], unheard)
    assert len(read) == 3


def test_where_a_melody_is_to_be_heard_the_encoder_stays(tiny_melody: Checkpoint) -> None:
    musicgen = musicgen_of(tiny_melody.folder)
    follows, words = piece("calm", melody=TUNE), ConditionCache(musicgen)
    held = encoder_of(musicgen).weights
    words.preload([piece("menu"), follows])
    assert encoder_of(musicgen).weights is held
    heard, _ = words.conditions(follows, follows.windows[0], PythonRng(1))
    assert bool(heard.isfinite().all())
