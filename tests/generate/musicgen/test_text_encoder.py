"""The encoder of the words: what transformers gives, to the last bit, without importing it."""

from __future__ import annotations

import io
import json
import random
import shutil
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.generate.musicgen import caches

if not caches.INSTALLED:
    pytest.skip("the extra `musicgen` is not installed", allow_module_level=True)

import torch

from tydust_assetgen.errors import GenerationError
from tydust_assetgen.generate.musicgen.runtime import text_encoder
from tydust_assetgen.generate.musicgen.spec.requirements import text_folder

TEXTS = ("calm synthwave, D minor, 90 BPM; introspective pads", "", "x", "long " * 70)
WORDS = ("calm", "synthwave", "pads", "déjà", "naïve", "①", "ﬁne", "１２３", "warm")


@pytest.fixture(scope="module", autouse=True)
def _cached() -> None:
    caches.checkpoint("t5")


def encoder(folder: Path) -> text_encoder.Encoder:
    with ThreadPoolExecutor(1) as hands:
        return text_encoder.Encoder(folder, "cpu", hands)


def theirs(folder: Path) -> tuple[Any, Any]:
    """Tokenizer and encoder of transformers."""
    from transformers import T5EncoderModel, T5Tokenizer

    from tydust_assetgen.generate.musicgen.runtime.audiocraft_imports import without_bars

    with without_bars():
        return T5Tokenizer.from_pretrained(folder), T5EncoderModel.from_pretrained(folder).eval()


def heard(tokenizer: Any, model: Any, texts: list[str]) -> torch.Tensor:
    """As audiocraft asks: nothing is to be heard of an empty text."""
    tokens = tokenizer(texts, return_tensors="pt", padding=True).to("cpu")
    tokens["attention_mask"][[index for index, text in enumerate(texts) if not text]] = 0
    with torch.no_grad():
        vectors: torch.Tensor = model(**tokens).last_hidden_state
    return vectors


def made(folder: Path, **more: Any) -> Path:
    """A T5 of several layers, with words far apart, in a folder of its own."""
    from transformers import T5Config, T5EncoderModel

    small = text_folder("t5-small")
    assert small is not None
    shutil.copytree(small, folder)
    shape = {"d_model": 32, "d_kv": 4, "d_ff": 64, "num_layers": 3, "num_heads": 4, "vocab_size": 128}
    torch.manual_seed(1)
    T5EncoderModel(T5Config(**{**shape, **more})).save_pretrained(folder)
    return folder


def same(folder: Path) -> None:
    ours = text_encoder.Tokenizer(folder), encoder(folder)
    other = theirs(folder)
    for texts in ([TEXTS[0], ""], list(TEXTS), [TEXTS[3]], [TEXTS[0]]):
        torch.testing.assert_close(heard(*ours, texts), heard(*other, texts), rtol=1e-6, atol=1e-6)


def test_it_hears_what_transformers_hears(tmp_path: Path) -> None:
    folder = text_folder("t5-small")
    assert folder is not None
    assert text_encoder.unknown(folder) == ""
    same(folder)
    same(made(tmp_path / "deep"))
    same(made(tmp_path / "near", relative_attention_num_buckets=8, relative_attention_max_distance=20))


def test_words_are_parted_as_transformers_parts_them(tmp_path: Path) -> None:
    folder = vocabulary(tmp_path)
    other, ours = _tokenizer_of_transformers(folder), text_encoder.Tokenizer(folder)
    dice = random.Random(2)
    ranges = ((32, 126), (160, 0x24FF), (0x3000, 0x30FF), (0xFF00, 0xFFEF))
    texts = [
        "déjà vu ﬁne １２３ ①  two   spaces\ttab\nnewline",
        "</s> <pad> calm",
        "",
        " ",
        "x " * 300,
        "½\u200b\u00a0Ａ",
    ]
    texts += ["".join(chr(dice.randint(*dice.choice(ranges))) for _ in range(60)) for _ in range(100)]
    for text in texts:
        assert ours([text])["input_ids"].tolist() == other([text])["input_ids"], text
    for name in ("input_ids", "attention_mask"):
        assert torch.equal(ours(texts)[name], other(texts, return_tensors="pt", padding=True)[name])


def vocabulary(folder: Path) -> Path:
    """A tokenizer with the normalisation of the released ones."""
    import sentencepiece

    model, dice = io.BytesIO(), random.Random(1)
    lines = (" ".join(dice.choice(WORDS) for _ in range(8)) for _ in range(300))
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=lines,
        model_writer=model,
        vocab_size=32,
        hard_vocab_limit=False,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        normalization_rule_name="nmt_nfkc",
        minloglevel=2,
    )
    (folder / "spiece.model").write_bytes(model.getvalue())
    _tokenizer_of_transformers(folder).save_pretrained(folder)
    assert json.loads((folder / "tokenizer.json").read_text())["normalizer"]["type"] == "Precompiled"
    return folder


def _tokenizer_of_transformers(folder: Path) -> Any:
    from transformers import T5Tokenizer

    return T5Tokenizer.from_pretrained(folder)


def test_what_is_let_go_is_read_again_at_the_next_words(tmp_path: Path) -> None:
    folder = made(tmp_path / "deep")
    tokenizer, model = text_encoder.Tokenizer(folder), encoder(folder)
    before = heard(tokenizer, model, list(TEXTS))
    held = [weakref.ref(weight) for weight in model.weights.values()]
    model.let_go()
    assert not any(weight() is not None for weight in held)
    assert torch.equal(heard(tokenizer, model, list(TEXTS)), before)
    assert model.weights is model.weights
    model.let_go()
    (folder / "model.safetensors").write_bytes(b"gone")
    with pytest.raises(GenerationError, match=r"model\.safetensors` can't be read"):
        heard(tokenizer, model, ["calm"])


def test_a_decoder_in_the_file_is_left_there(tmp_path: Path) -> None:
    from transformers import T5Config, T5ForConditionalGeneration

    folder = made(tmp_path / "whole")
    config = T5Config.from_pretrained(folder)
    T5ForConditionalGeneration(config).save_pretrained(folder)
    read = encoder(folder).weights
    assert len(read) == 3 * 8 + 3
    assert not [name for name in read if name.startswith(("decoder", "lm_head"))]
    (folder / "model.safetensors").write_bytes(b"")
    assert all(bool(weight.isfinite().all()) for weight in read.values())
    same(made(tmp_path / "encoder"))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"feed_forward_proj": "gated-gelu"}, "`feed_forward_proj` is another"),
        ({"model_type": "umt5"}, "`model_type` is another"),
        ({"num_layers": None}, "can't be read"),
    ],
)
def test_another_kind_is_left_to_transformers(tmp_path: Path, change: dict[str, Any], why: str) -> None:
    folder = made(tmp_path / "other")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **change}))
    assert why in text_encoder.unknown(folder)


def test_so_is_one_in_another_precision_or_without_a_quick_tokenizer(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = made(tmp_path / "half")
    path = folder / "model.safetensors"
    save_file({name: tensor.half() for name, tensor in load_file(path).items()}, path, metadata={"format": "pt"})
    assert text_encoder.unknown(folder) == "its weights differ"
    (folder / "tokenizer.json").unlink()
    assert "tokenizer.json" in text_encoder.unknown(folder)


def test_transformers_serves_what_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    from audiocraft.modules import conditioners

    with ThreadPoolExecutor(1) as hands, text_encoder.given("cpu", hands):
        ours = conditioners.T5Conditioner("t5-small", 8, finetune=False, device="cpu").t5
        monkeypatch.setattr(text_encoder, "unknown", lambda _: "it is strange")
        other = conditioners.T5Conditioner("t5-small", 8, finetune=False, device="cpu")
    assert type(ours).__module__ == text_encoder.__name__
    assert type(other.t5).__module__.startswith("transformers.")
    assert torch.equal(other.t5.shared.weight, ours.weights["shared.weight"])
    assert conditioners.T5EncoderModel.from_pretrained.__self__.__name__ == "T5EncoderModel"
