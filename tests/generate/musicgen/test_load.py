"""Loading: the same model as audiocraft's own loader gives, from safe files, with what is missing said in words."""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from conftest import REPOSITORY

from tests.generate.musicgen import caches
from tydust_assetgen.errors import GenerationError, UnavailableError
from tydust_assetgen.generate.musicgen.spec.checkpoint_scan import scan_file
from tydust_assetgen.generate.musicgen.spec.models import WEIGHTS, Source, find
from tydust_assetgen.generate.musicgen.spec.requirements import ROUNDED, Precision

if not caches.INSTALLED:
    pytest.skip("the extra `musicgen` is not installed", allow_module_level=True)

import torch

from tydust_assetgen.generate.musicgen.runtime import load as load_module
from tydust_assetgen.generate.musicgen.runtime.demucs import separator
from tydust_assetgen.generate.musicgen.runtime.load import Model, libraries, load
from tydust_assetgen.generate.musicgen.runtime.memory import ModelCache
from tydust_assetgen.generate.musicgen.runtime.skip_init import on_meta_device, without_initialising

if TYPE_CHECKING:
    from tests.generate.musicgen.checkpoints import Checkpoint, Kind


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def source(folder: Path) -> Source:
    return find(str(folder), "", Path())


def on_cpu(folder: Path) -> Model:
    return load(source(folder), device="cpu", precision="auto")


def tokens(musicgen: Any, **more: Any) -> torch.Tensor:
    """What a model draws for a text, in 0.3 s of sound."""
    musicgen.set_generation_params(duration=0.3, top_k=50, extend_stride=2)
    torch.manual_seed(3)
    random.seed(3)  # Demucs shifts what it hears by a random offset
    if "self_wav" in musicgen.lm.condition_provider.conditioners:
        tune = torch.sin(torch.arange(32_000) * 0.05)[None, None]
        return musicgen.generate_with_chroma(["calm synthwave"], tune, 32_000, return_tokens=True)[1]
    return musicgen.generate(["calm synthwave"], return_tokens=True)[1]


@pytest.mark.parametrize("kind", ["t5", "stereo", "melody"])
def test_it_is_the_model_that_audiocraft_loads(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    from audiocraft.models.musicgen import MusicGen

    made = caches.checkpoint(kind, segment_s=30.0)  # audiocraft itself refuses windows of 18 s and less
    ours = on_cpu(made.folder).musicgen
    real = torch.load
    with monkeypatch.context() as patch:
        patch.setattr(torch, "load", lambda *a, **k: real(*a, **{**k, "weights_only": False}))  # our own files
        patch.setattr("warnings.warn", lambda *_, **__: None)
        theirs = MusicGen.get_pretrained(str(made.folder), device="cpu")
    tied = "encoder.embed_tokens.weight"
    their_words = {name: tensor for name, tensor in _text_encoder(theirs).state_dict().items() if name != tied}
    for mine, other in (
        (ours.lm.state_dict(), theirs.lm.state_dict()),
        (ours.compression_model.state_dict(), theirs.compression_model.state_dict()),
        (_text_encoder(ours).weights, their_words),
    ):
        assert mine.keys() == other.keys()
        for name, tensor in other.items():
            assert mine[name].dtype == tensor.dtype, name
            assert torch.equal(mine[name], tensor), name
    assert not ours.lm.training
    assert ours.max_duration == theirs.max_duration
    assert ours.generation_params == theirs.generation_params
    drawn = tokens(ours)
    assert torch.equal(drawn, tokens(theirs))
    assert drawn.shape == (1, 8 if kind == "stereo" else 4, 15)
    assert drawn.unique().numel() > 20


def _text_encoder(musicgen: Any) -> Any:
    return musicgen.lm.condition_provider.conditioners["description"].t5


def test_short_windows_work_though_audiocraft_refuses_them(tiny_t5: Checkpoint) -> None:
    model = on_cpu(tiny_t5.folder)
    assert model.musicgen.max_duration == model.traits.segment_s == caches.SEGMENT_S
    model.musicgen.set_generation_params(duration=5, extend_stride=3)
    torch.manual_seed(0)
    assert model.musicgen.generate(["x"]).shape == (1, 1, 5 * 32_000)


@pytest.mark.parametrize("kind", ["t5", "stereo", "melody"])
def test_as_stored_the_weights_of_products_stay_in_16_bits(kind: Kind) -> None:
    folder = caches.checkpoint(kind).folder
    whole = on_cpu(folder).musicgen.lm
    stored = load(source(folder), device="cpu", precision="fp32", as_stored=True).musicgen.lm
    other = {name for name, tensor in stored.named_parameters() if tensor.dtype != torch.float32}
    products = {name for name, tensor in stored.named_parameters() if tensor.dim() == 2}
    products -= {name for name in products if name.startswith(("emb.", "condition_provider."))}
    assert other == products
    assert len(products) > 10
    for (name, mine), (_, theirs) in zip(stored.named_parameters(), whole.named_parameters(), strict=True):
        assert torch.equal(mine.float(), theirs), name


@pytest.mark.parametrize("stored", [torch.float32, torch.bfloat16])
def test_stored_in_another_type_all_becomes_float32(stored: torch.dtype, tiny_t5: Checkpoint, tmp_path: Path) -> None:
    """What torch or our decoder multiplies in 16 bits is fp16 alone."""
    for name in WEIGHTS:
        shutil.copy(tiny_t5.folder / name, tmp_path)
    package = torch.load(tmp_path / "state_dict.bin", weights_only=True)
    package["best_state"] = {name: tensor.to(stored) for name, tensor in package["best_state"].items()}
    torch.save(package, tmp_path / "state_dict.bin")
    kept = load(source(tmp_path), device="cpu", precision="fp32", as_stored=True).musicgen
    assert {tensor.dtype for tensor in kept.lm.parameters()} == {torch.float32}
    assert torch.equal(tokens(kept), tokens(on_cpu(tmp_path).musicgen))


def test_on_a_gpu_nothing_is_as_stored(tiny_t5: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """There audiocraft may have to play what is loaded."""
    asked: list[bool] = []

    def stop(*_: object, as_stored: bool) -> None:
        asked.append(as_stored)
        raise GenerationError("enough")

    monkeypatch.setattr(load_module, "_language_model", stop)
    with pytest.raises(GenerationError, match="enough"):
        load(source(tiny_t5.folder), device="cuda", precision="fp16", as_stored=True)
    assert asked == [False]


def test_weights_are_copies_so_that_the_file_may_go(tmp_path: Path, tiny_t5: Checkpoint) -> None:
    folder = tmp_path / "moved"
    folder.mkdir()
    for name in WEIGHTS:
        shutil.copy(tiny_t5.folder / name, folder)
    musicgen = on_cpu(folder).musicgen
    before = tokens(on_cpu(tiny_t5.folder).musicgen)
    for name in WEIGHTS:
        (folder / name).write_bytes(b"")
    assert torch.equal(tokens(musicgen), before)


def test_a_codec_may_come_from_the_hub_cache(tmp_path: Path, tiny_t5: Checkpoint) -> None:
    from transformers import EncodecConfig, EncodecModel

    from tests.generate.musicgen.checkpoints import hub_snapshot

    config = EncodecConfig(
        sampling_rate=32_000,
        target_bandwidths=[1.8],
        upsampling_ratios=[8, 5, 4, 4],
        num_filters=2,
        hidden_size=16,
        codebook_size=512,
        codebook_dim=16,
        norm_type="weight_norm",
        use_causal_conv=False,
        normalize=False,
        chunk_length_s=None,
    )
    EncodecModel(config).save_pretrained(hub_snapshot(caches.HF_HOME, "facebook/encodec_32khz"))
    shutil.copy(tiny_t5.folder / WEIGHTS[0], tmp_path)
    torch.save({"pretrained": "facebook/encodec_32khz"}, tmp_path / WEIGHTS[1])
    model = on_cpu(tmp_path)
    assert model.traits.codec == "facebook/encodec_32khz"
    assert (model.traits.sample_rate_hz, model.traits.frame_rate) == (32_000, 50.0)
    assert type(model.musicgen.compression_model).__name__ == "HFEncodecCompressionModel"
    codes = torch.randint(0, 320, (1, 4, 25))
    assert model.musicgen.compression_model.decode(codes).shape == (1, 1, 16_000)


@pytest.mark.parametrize("which", WEIGHTS)
def test_a_bomb_is_refused_before_torch_sees_it(tmp_path: Path, tiny_t5: Checkpoint, which: str) -> None:
    for name in WEIGHTS:
        shutil.copy(tiny_t5.folder / name, tmp_path)
    torch.save({"best_state": Bomb(tmp_path / "boom"), "xp.cfg": "a: 1"}, tmp_path / which)
    with pytest.raises(GenerationError, match="refused"):
        on_cpu(tmp_path)
    assert not (tmp_path / "boom").exists()


class Bomb:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self.target, "boom")


def test_weights_that_do_not_fit_are_said_in_words(tmp_path: Path, tiny_t5: Checkpoint) -> None:
    for name in WEIGHTS:
        shutil.copy(tiny_t5.folder / name, tmp_path)
    package = torch.load(tmp_path / WEIGHTS[0], weights_only=True)
    del package["best_state"]["out_norm.weight"]
    torch.save(package, tmp_path / WEIGHTS[0])
    with pytest.raises(GenerationError, match=r"don't fit its configuration.*out_norm"):
        on_cpu(tmp_path)


def test_what_is_missing_is_named_with_the_line_that_mends_it(
    tmp_path: Path, tiny_melody: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lack(folder: str) -> tuple[str, str]:
        with pytest.raises(UnavailableError) as raised:
            load(find(folder, "", tmp_path), device="cpu", precision="auto")
        return raised.value.problems[0].message, raised.value.problems[0].hint

    assert lack("small") == ("the model `small` is not here", "assetgen models pull small")
    assert lack("./none")[0] == "the model `./none` is not here"
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    message, hint = lack(str(tiny_melody.folder))
    assert "stem separator `adefossez/HTDemucs`" in message
    assert hint == "assetgen models pull adefossez/HTDemucs"
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    message, hint = lack(str(tiny_melody.folder))
    assert "text encoder `t5-small`" in message
    assert hint == "assetgen models pull t5-small"


def test_half_precision_is_for_cuda(tiny_t5: Checkpoint) -> None:
    with pytest.raises(GenerationError, match="a CPU can't play in `fp16`"):
        load(source(tiny_t5.folder), device="cpu", precision="fp16")
    with pytest.raises(GenerationError, match="a GPU can't play in `int8`"):
        load(source(tiny_t5.folder), device="cuda", precision="int8")


@pytest.mark.parametrize("precision", ROUNDED)
def test_on_a_cpu_the_weights_are_whole_whatever_the_decoder_makes_of_them(
    tiny_t5: Checkpoint, precision: Precision
) -> None:
    made = load(source(tiny_t5.folder), device="cpu", precision=precision)
    assert made.precision == precision
    assert {each.dtype for each in made.musicgen.lm.parameters()} == {torch.float32}
    assert made.musicgen.autocast.autocast is None


def test_what_only_our_decoder_could_round_is_not_played_otherwise(tmp_path: Path, tiny_t5: Checkpoint) -> None:
    for name in WEIGHTS:
        shutil.copy(tiny_t5.folder / name, tmp_path)
    package = torch.load(tmp_path / WEIGHTS[0], weights_only=True)
    package["xp.cfg"] = package["xp.cfg"].replace("flatten_first: 0", "flatten_first: 2")
    torch.save(package, tmp_path / WEIGHTS[0])
    odd, keeper = find(str(tmp_path), "", tmp_path), ModelCache()
    assert keeper.model(odd, device="cpu", precision="fp32").network is None
    with pytest.raises(UnavailableError) as raised:
        keeper.model(odd, device="cpu", precision="int8")
    (problem,) = raised.value.problems
    assert problem.message == f"a CPU can't play `{odd.name}` in `int8`: its pattern has more than delays"
    assert problem.hint == 'use `precision = "fp32"`'


def test_the_separator_is_only_ever_demucs(tmp_path: Path, tiny_melody: Checkpoint) -> None:
    from tests.generate.musicgen.checkpoints import DEMUCS_FILE

    good = tiny_melody.torch_home / "hub/checkpoints" / DEMUCS_FILE
    package = torch.load(good, weights_only=False)
    bad = tmp_path / DEMUCS_FILE
    torch.save({**package, "klass": dict}, bad)
    with pytest.raises(GenerationError, match="HTDemucs"):
        separator(bad)
    torch.save({**package, "state": Bomb(tmp_path / "boom")}, bad)
    with pytest.raises(GenerationError, match="not the weights of HTDemucs"):
        separator(bad)
    assert not (tmp_path / "boom").exists()


def test_both_formats_of_the_separator_give_the_same(tmp_path: Path, tiny_melody: Checkpoint) -> None:
    from safetensors.torch import save_file

    from tests.generate.musicgen.checkpoints import DEMUCS_FILE

    old = tiny_melody.torch_home / "hub/checkpoints" / DEMUCS_FILE
    first = separator(old)
    shape = torch.load(old, weights_only=False)["kwargs"]
    about = {"klass": "demucs.htdemucs.HTDemucs", "args": "[]", "kwargs": _json(shape)}
    save_file(first.models[0].state_dict(), tmp_path / "955717e8.safetensors", metadata=about)
    second = separator(tmp_path / "955717e8.safetensors")
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name])
    assert second.models[0].segment == 8
    save_file({}, tmp_path / "955717e8.safetensors", metadata={**about, "klass": "subprocess.Popen"})
    with pytest.raises(GenerationError, match="another model"):
        separator(tmp_path / "955717e8.safetensors")


def _json(shape: dict[str, Any]) -> str:
    import json

    return json.dumps({**shape, "segment": {"_type": "fraction", "numerator": 16, "denominator": 2}})


def test_a_t5_that_was_trained_with_the_model_is_left_to_transformers(tmp_path: Path, tiny_t5: Checkpoint) -> None:
    shutil.copy(tiny_t5.folder / WEIGHTS[1], tmp_path)
    package = torch.load(tiny_t5.folder / WEIGHTS[0], weights_only=True)
    config = yaml.safe_load(package["xp.cfg"])
    config["conditioners"]["description"]["t5"]["finetune"] = True
    package["xp.cfg"] = yaml.safe_dump(config)
    read = _text_encoder(on_cpu(tiny_t5.folder).musicgen).weights
    own = {**read, "encoder.embed_tokens.weight": read["shared.weight"]}
    head = "condition_provider.conditioners.description.t5"
    package["best_state"] |= {f"{head}.{name}": tensor + 1 for name, tensor in own.items()}
    torch.save(package, tmp_path / WEIGHTS[0])
    trained = _text_encoder(on_cpu(tmp_path).musicgen).state_dict()
    assert all(torch.equal(trained[name], tensor + 1) for name, tensor in own.items())


def test_versions_of_what_decides_the_sound() -> None:
    assert libraries() == {name: libraries()[name] for name in ("torch", "audiocraft", "transformers")}
    assert libraries()["audiocraft"] == "1.3.0"


def run(code: str) -> str:
    """A process of its own, in which every warning is an error."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.strip()


_PREPARED = (
    "import sys; "
    "from tydust_assetgen.generate.musicgen.runtime.audiocraft_imports import prepare; prepare(); prepare();"
)


def test_importing_audiocraft_runs_nothing_of_its_training_and_says_nothing() -> None:
    unwanted = ["audiocraft.solvers", "audiocraft.metrics", "spacy.cli", "av.container", "xformers.checkpoint"]
    out = run(
        f"{_PREPARED} import audiocraft.models.musicgen, audiocraft.models.builders, audiocraft.data.audio, gc;"
        "assert gc.isenabled();"
        f"print(*[name for name in {unwanted} if name in sys.modules], audiocraft.__version__)"
    )
    assert out == "1.3.0"


def test_a_model_loads_and_reads_words_without_what_takes_longest_to_import(tiny_t5: Checkpoint) -> None:
    unwanted = ("transformers", "huggingface_hub", "torchaudio", "dora", "scipy", "sympy", "torch._dynamo", "triton")
    out = run(
        "import sys; from pathlib import Path; from tydust_assetgen.generate.musicgen.spec import models\n"
        "from tydust_assetgen.generate.musicgen.runtime import load as loading\n"
        f"source = models.find({str(tiny_t5.folder)!r}, '', Path())\n"
        "musicgen = loading.load(source, device='cpu', precision='auto').musicgen\n"
        "words = musicgen._prepare_tokens_and_attributes(['calm', 'x'], None, None)[0]\n"
        "provider = musicgen.lm.condition_provider\n"
        "print(bool(provider(provider.tokenize(words))['description'][0].any()))\n"
        f"print(*[name for name in {unwanted} if name in sys.modules])\n"
    )
    assert out == "True"


def test_what_was_promised_to_audiocraft_is_the_real_thing_when_it_is_used() -> None:
    out = run(
        f"{_PREPARED} from audiocraft.modules import conditioners; from audiocraft.models import encodec, loaders\n"
        "print('transformers' in sys.modules, conditioners.num2words(17))\n"
        "import huggingface_hub, num2words, transformers, flashy.distrib, torchaudio.functional\n"
        "print(conditioners.T5Tokenizer.from_pretrained.__self__ is transformers.T5Tokenizer)\n"
        "print(encodec.HFEncodecModel.config_class is transformers.EncodecModel.config_class)\n"
        "print(loaders.hf_hub_download.__name__, flashy.distrib.rank())\n"
    )
    assert out.splitlines() == ["False seventeen", "True", "True", "hf_hub_download 0"]


def test_what_is_imported_already_is_given_as_it_is() -> None:
    out = run(
        f"import transformers; {_PREPARED} from audiocraft.modules import conditioners\n"
        "print(conditioners.T5EncoderModel is transformers.T5EncoderModel)\n"
    )
    assert out == "True"


@pytest.mark.parametrize("how", [on_meta_device, without_initialising])
def test_nothing_is_drawn_for_a_model_whose_weights_follow(how: Callable[[], AbstractContextManager[None]]) -> None:
    def built() -> torch.nn.Module:
        made = torch.nn.Sequential(torch.nn.Embedding(8, 4), torch.nn.Linear(4, 4), torch.nn.LSTM(4, 4))
        torch.nn.init.trunc_normal_(made[1].weight)
        return made

    before = torch.get_rng_state()
    with how():
        empty = built()
    assert torch.equal(torch.get_rng_state(), before)
    assert {tensor.is_meta for tensor in empty.parameters()} == {how is on_meta_device}
    filled = built()
    assert not torch.equal(torch.get_rng_state(), before)
    empty.load_state_dict(filled.state_dict(), assign=True)
    codes = torch.arange(8)
    assert torch.equal(empty(codes)[0], filled(codes)[0])


def test_a_deferred_package_is_itself_when_it_is_asked_for_more(tmp_path: Path) -> None:
    package = tmp_path / "late"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text("print('init')\nfrom late.one import value\nwhole = value + 1\n")
    (package / "one.py").write_text("value = 1\n")
    (package / "inner/__init__.py").write_text("")
    out = run(
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from tydust_assetgen.generate.musicgen.runtime import audiocraft_imports as imports\n"
        "imports._PACKAGES = ('late',); imports._defer('late'); imports._defer('nowhere')\n"
        "from late import one, inner; import late.one\n"
        "print(one.value, inner.__name__, late.one is one)\n"
        "from late import whole; print(whole, late.whole)\n"
        "try: late.missing\nexcept AttributeError: print('no attribute')\n"
        "import nowhere\n"
        "try: nowhere.thing\nexcept ModuleNotFoundError as error: print(error)\n"
    )
    assert out.splitlines() == ["1 late.inner True", "init", "2 2", "no attribute", "No module named 'nowhere'"]


def test_the_network_guard_reaches_into_workers() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import socket; socket.create_connection(('192.0.2.1', 80), timeout=1)"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "AssertionError: a test reached for the network" in done.stderr


def _pickle_with(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Rewrite the pickle in a file of torch."""
    with zipfile.ZipFile(path) as file:
        parts = {entry.filename: file.read(entry) for entry in file.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
        for name, data in parts.items():
            file.writestr(name, change(data) if name.endswith("data.pkl") else data)


def test_the_configuration_that_is_loaded_is_the_one_that_was_scanned(tmp_path: Path, tiny_t5: Checkpoint) -> None:
    """A pickle that names `xp.cfg` twice: the first is read along, the second is what is loaded."""
    for name in WEIGHTS:
        shutil.copy(tiny_t5.folder / name, tmp_path)
    other = b"X" + struct.pack("<I", 7) + b"lie: no"
    again = b"X" + struct.pack("<I", 6) + b"xp.cfg" + other + b"s."
    _pickle_with(tmp_path / WEIGHTS[0], lambda data: data[:-1] + again)
    assert torch.load(tmp_path / WEIGHTS[0], weights_only=True)["xp.cfg"] == "lie: no"
    assert scan_file(tmp_path / WEIGHTS[0]).config == scan_file(tiny_t5.folder / WEIGHTS[0]).config
    with pytest.raises(GenerationError, match="made to look like another model"):
        on_cpu(tmp_path)


def test_a_configuration_that_repeats_itself_by_reference_is_refused(tmp_path: Path, tiny_t5: Checkpoint) -> None:
    """Nine lines of YAML can stand for a billion values."""
    for name in WEIGHTS:
        shutil.copy(tiny_t5.folder / name, tmp_path)
    package = torch.load(tmp_path / WEIGHTS[0], weights_only=True)
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 10)}]\n" for n in range(8)
    )
    package["xp.cfg"] = bomb + package["xp.cfg"]
    torch.save(package, tmp_path / WEIGHTS[0])
    with pytest.raises(GenerationError, match="repeats parts by reference"):
        on_cpu(tmp_path)
