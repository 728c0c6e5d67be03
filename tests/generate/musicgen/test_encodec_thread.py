"""Sounds are made beside the playing, or when it is their turn: the same ones."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("audiocraft")

import torch

from tydust_assetgen.generate.musicgen.runtime.encodec import AudioDecoder
from tydust_assetgen.generate.musicgen.runtime.load import load
from tydust_assetgen.generate.musicgen.spec.models import find

if TYPE_CHECKING:
    from tests.generate.musicgen.checkpoints import Checkpoint


@pytest.fixture(scope="module")
def codec(tiny_t5: Checkpoint) -> object:
    return load(
        find(str(tiny_t5.folder), "", tiny_t5.folder), device="cpu", precision="auto"
    ).musicgen.compression_model


def pieces(count: int) -> list[torch.Tensor]:
    dice = torch.Generator().manual_seed(1)
    return [torch.randint(0, 64, (1, 4, 20 + 30 * number), generator=dice) for number in range(count)]


def test_beside_the_playing_the_sounds_are_the_same(codec: object) -> None:
    asked = pieces(4)
    told: list[tuple[int, float]] = []
    here = dict(AudioDecoder(codec, in_thread=False).decode_all(iter(enumerate(asked)), lambda *_: None))
    beside = dict(
        AudioDecoder(codec, in_thread=True).decode_all(iter(enumerate(asked)), lambda *each: told.append(each))
    )
    assert here.keys() == beside.keys() == {0, 1, 2, 3}
    assert all(torch.equal(here[index], beside[index]) for index in here)
    assert {index for index, share in told if share == 1.0} == {0, 1, 2, 3}
    assert here[1].shape[-1] == 50 * 640


def test_playing_goes_on_while_a_sound_is_made(codec: object) -> None:
    """The second piece is played while the first one's sound waits."""
    played, threads = threading.Event(), set()

    def playing() -> Iterator[tuple[int, torch.Tensor]]:
        first, second = pieces(2)
        yield 0, first
        played.set()
        yield 1, second

    def tell(index: int, share: float) -> None:
        del share
        threads.add(threading.current_thread().name)
        assert index or played.wait(20)

    sounds = list(AudioDecoder(codec, in_thread=True).decode_all(playing(), tell))
    assert [index for index, _ in sounds] == [0, 1]
    assert all(name.startswith("codec") for name in threads)


def test_an_error_of_the_codec_reaches_whoever_waits(codec: object) -> None:
    wrong = torch.zeros((1, 3, 10), dtype=torch.long) - 7
    with pytest.raises((RuntimeError, IndexError)):
        list(AudioDecoder(codec, in_thread=True).decode_all(iter([(0, wrong)]), lambda *_: None))
