"""What is known of a checkpoint without loading it, and what is refused: hostile, damaged, foreign ones. No torch."""

from __future__ import annotations

import pickle
import shutil
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.generate.musicgen import caches
from tydust_assetgen.generate.musicgen.spec.checkpoint import Traits, fingerprint, refusal, traits
from tydust_assetgen.generate.musicgen.spec.models import WEIGHTS

if TYPE_CHECKING:
    from tests.generate.musicgen.checkpoints import Checkpoint

pytest.importorskip("yaml")


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self.target, "boom")


def write(path: Path, content: object, *, protocol: int = 2, compression: int = zipfile.ZIP_STORED) -> None:
    """A file of torch without tensors."""
    data = content if isinstance(content, bytes) else pickle.dumps(content, protocol=protocol)
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("archive/data.pkl", data)
        file.writestr("archive/version", "3\n")


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A checkpoint with the configurations of a tiny one, and no weights."""
    yaml = pytest.importorskip("yaml")
    folder = tmp_path / "plain"
    folder.mkdir()
    for name, config in zip(WEIGHTS, configurations(), strict=True):
        write(folder / name, {"best_state": {}, "xp.cfg": yaml.safe_dump(config)})
    return folder


def configurations() -> tuple[dict[str, Any], dict[str, Any]]:
    lm = {
        "lm_model": "transformer_lm",
        "channels": 1,
        "dataset": {"segment_duration": 30},
        "codebooks_pattern": {"modeling": "delay", "delay": {"delays": [0, 1, 2, 3]}},
        "fuser": {"cross": ["description"]},
        "conditioners": {"description": {"model": "t5", "t5": {"name": "t5-base", "normalize_text": False}}},
        "transformer_lm": {"n_q": 4, "card": 2048, "dim": 1536, "num_layers": 48, "num_heads": 24, "hidden_scale": 4},
    }
    codec = {
        "compression_model": "encodec",
        "encodec": {"sample_rate": 32_000},
        "seanet": {"ratios": [8, 5, 4, 4]},
    }
    return lm, codec


def test_traits_are_read_from_the_text_in_the_file(plain: Path) -> None:
    assert refusal(plain) == ""
    found = traits(plain)
    assert found == Traits(
        family="text",
        channels=1,
        codebooks=4,
        card=2048,
        dim=1536,
        layers=48,
        heads=24,
        segment_s=30.0,
        sample_rate_hz=32_000,
        frame_rate=50.0,
        text_encoder="t5-base",
        delays=(0, 1, 2, 3),
        codec="",
        parameters=found.parameters,
    )
    assert 1.8e9 < found.parameters < 1.9e9  # what musicgen-medium has


@pytest.mark.parametrize("kind", ["t5", "stereo", "melody"])
def test_traits_of_real_files_are_those_of_the_model(kind: Any, request: pytest.FixtureRequest) -> None:
    made: Checkpoint = request.getfixturevalue(f"tiny_{kind}")
    import torch

    state = torch.load(made.folder / WEIGHTS[0], weights_only=True)["best_state"]
    found = traits(made.folder)
    assert refusal(made.folder) == ""
    assert found.family == ("melody" if kind == "melody" else "text")
    assert found.channels == (2 if kind == "stereo" else 1)
    assert found.codebooks == sum(name.startswith("emb.") for name in state) == len(found.delays)
    assert state["emb.0.weight"].shape == (found.card + 1, found.dim)
    assert (found.segment_s, found.sample_rate_hz, found.frame_rate) == (caches.SEGMENT_S, 32_000, 50.0)
    assert found.text_encoder == "t5-small"
    counted = sum(tensor.numel() for name, tensor in state.items() if "condition" not in name and tensor.dim() > 1)
    assert found.parameters == counted


def test_the_fingerprint_is_of_the_weights_and_not_of_the_file(tiny_t5: Checkpoint, tmp_path: Path) -> None:
    import torch

    copy = tmp_path / "copy"
    shutil.copytree(tiny_t5.folder, copy, ignore=lambda *_: ["hf", "torch_home"])
    assert fingerprint(copy) == fingerprint(tiny_t5.folder)
    package = torch.load(copy / WEIGHTS[0], weights_only=True)
    torch.save(package, copy / "renamed.bin")  # the archive inside is then called `renamed`
    (copy / "renamed.bin").replace(copy / WEIGHTS[0])
    same = fingerprint(copy)
    package["best_state"]["linears.0.weight"][0, 0] += 1
    torch.save(package, copy / WEIGHTS[0])
    assert fingerprint(copy) not in (same, fingerprint(tiny_t5.folder), "")
    assert len(same) == 64


def test_a_changed_file_is_seen_again(plain: Path) -> None:
    before = fingerprint(plain)
    write(plain / WEIGHTS[0], {"xp.cfg": "other: 1"})
    assert fingerprint(plain) not in ("", before)
    assert "can't be read" in refusal(plain)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_a_bomb_is_refused_and_never_goes_off(plain: Path, tmp_path: Path, protocol: int) -> None:
    for name in WEIGHTS:
        kept = (plain / name).read_bytes()
        write(plain / name, {"best_state": Bomb(tmp_path / "boom"), "xp.cfg": "a: 1"}, protocol=protocol)
        reason = refusal(plain)
        assert f"`{name}`" in reason
        assert "refused" in reason
        assert not (tmp_path / "boom").exists()
        (plain / name).write_bytes(kept)
    assert refusal(plain) == ""


def test_a_bare_pickle_is_refused(plain: Path, tmp_path: Path) -> None:
    (plain / WEIGHTS[0]).write_bytes(pickle.dumps(Bomb(tmp_path / "boom")))
    assert "bare pickle" in refusal(plain)
    assert fingerprint(plain) == ""
    assert not (tmp_path / "boom").exists()


@pytest.mark.parametrize(
    "code",
    [
        b"cos\nsystem\n(S'x'\ntR.",
        b"cbuiltins\neval\n.",
        b"(S'x'\nios\nsystem\n.",
        b"ctorch\nload\n.",
        b"ctorch.storage\n_load_from_bytes\n.",
        b"ctorch._utils\n_rebuild_tensor_v2.__globals__\n.",
        b"ccollections\nnamedtuple\n.",
        b"\x80\x02\x82\x01.",
    ],
)
def test_pickles_that_import_or_call_what_weights_do_not_need(plain: Path, code: bytes) -> None:
    write(plain / WEIGHTS[0], code)
    assert "refused" in refusal(plain)


def test_zip_tricks_are_refused(plain: Path) -> None:
    write(plain / WEIGHTS[0], b"\0" * 2_000_000, compression=zipfile.ZIP_DEFLATED)
    assert "compressed" in refusal(plain)
    with zipfile.ZipFile(plain / WEIGHTS[0], "w") as file:
        file.writestr("weights", b"")
    assert "not a file of torch" in refusal(plain)
    (plain / WEIGHTS[0]).unlink()
    assert "missing" in refusal(plain)


def test_a_part_that_claims_to_go_on_past_the_end_is_damage(plain: Path) -> None:
    data = bytearray((plain / WEIGHTS[0]).read_bytes())
    with zipfile.ZipFile(plain / WEIGHTS[0]) as file:
        others = sum(part.file_size for part in file.infolist() if not part.filename.endswith("data.pkl"))
    sizes = data.index(b"PK\1\2") + 20  # the first part of the directory is the pickle's
    data[sizes : sizes + 8] = (len(data) - others).to_bytes(4, "little") * 2  # the file is longer, but starts before it
    (plain / WEIGHTS[0]).write_bytes(data)
    assert "cut" in refusal(plain)


@settings(max_examples=60)
@given(at=st.integers(0, 10_000), value=st.integers(0, 255), cut=st.booleans())
def test_no_damage_makes_a_traceback(tmp_path_factory: pytest.TempPathFactory, at: int, value: int, cut: bool) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    for name, config in zip(WEIGHTS, configurations(), strict=True):
        write(folder / name, {"best_state": {}, "xp.cfg": str(config)})
    data = bytearray((folder / WEIGHTS[0]).read_bytes())
    place = at % len(data)
    data[place] = value
    (folder / WEIGHTS[0]).write_bytes(data[:place] if cut else data)
    assert isinstance(refusal(folder), str)
    assert isinstance(fingerprint(folder), str)


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (("lm_model",), "transformer_lm_magnet", "not a MusicGen"),
        (("conditioners",), {"description": {"model": "style", "style": {}}}, "`style`"),
        (("conditioners",), {"description": {"model": "clap", "clap": {}}}, "`clap`"),
        (("conditioners",), {}, "no text"),
        (("transformer_lm",), None, "can't be read"),
        (("dataset", "segment_duration"), "long", "can't be read"),
    ],
)
def test_models_that_audiocraft_can_not_build(plain: Path, path: tuple[str, ...], value: object, reason: str) -> None:
    yaml = pytest.importorskip("yaml")
    config, _ = configurations()
    table = config
    for name in path[:-1]:
        table = table[name]
    table[path[-1]] = value
    write(plain / WEIGHTS[0], {"best_state": {}, "xp.cfg": yaml.safe_dump(config)})
    assert reason in refusal(plain)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("dac_44khz", "only EnCodec"), ("../../x/y", "only EnCodec"), ("a/b", "assetgen models pull a/b")],
)
def test_a_codec_by_name_must_be_of_the_hub_and_here(plain: Path, name: str, reason: str) -> None:
    write(plain / WEIGHTS[1], {"pretrained": name})
    assert reason in refusal(plain)


def test_yaml_that_is_not_plain_is_not_carried_out(plain: Path, tmp_path: Path) -> None:
    evil = f"!!python/object/apply:pathlib.Path.write_text [!!python/object/apply:pathlib.Path [{tmp_path}/boom], x]"
    write(plain / WEIGHTS[0], {"xp.cfg": evil})
    assert "can't be read" in refusal(plain)
    assert not (tmp_path / "boom").exists()


@pytest.mark.parametrize("deep", ["[" * 200_000, "- " * 200_000 + "a", "{a: " * 100_000])
def test_yaml_without_a_bottom_does_not_end_the_process(plain: Path, deep: str) -> None:
    write(plain / WEIGHTS[0], {"best_state": {}, "xp.cfg": deep})
    assert "can't be read" in refusal(plain)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("transformer_lm", "dim"), float("inf")),
        (("transformer_lm", "num_layers"), 10**30),
        (("dataset", "segment_duration"), float("nan")),
        (("dataset", "segment_duration"), -30),
        (("dataset", "segment_duration"), 1e300),
        (("transformer_lm", "n_q"), 0),
    ],
)
def test_numbers_that_no_model_has_are_refused_in_words(plain: Path, path: tuple[str, str], value: float) -> None:
    import yaml

    config = configurations()[0]
    config[path[0]][path[1]] = value
    write(plain / WEIGHTS[0], {"best_state": {}, "xp.cfg": yaml.safe_dump(config)})
    assert "can't be read" in refusal(plain)
    with pytest.raises(ValueError, match=r" is |can.t be"):
        traits(plain)


@pytest.mark.parametrize(("sampling", "ratios"), [(0, [8, 5, 4, 2]), (32_000, [0]), (10**12, [2])])
def test_rates_that_no_codec_has_are_refused_in_words(plain: Path, sampling: int, ratios: list[int]) -> None:
    import yaml

    config = configurations()[1]
    config["encodec"]["sample_rate"], config["seanet"]["ratios"] = sampling, ratios
    write(plain / WEIGHTS[1], {"best_state": {}, "xp.cfg": yaml.safe_dump(config)})
    assert "can't be read" in refusal(plain)


def test_what_a_file_says_of_itself_does_not_steer_the_terminal(plain: Path) -> None:
    import yaml

    config = {**configurations()[0], "lm_model": "\x1b[2Jgone"}
    write(plain / WEIGHTS[0], {"best_state": {}, "xp.cfg": yaml.safe_dump(config)})
    assert refusal(plain) == "it is a `?[2Jgone` model, not a MusicGen"


@pytest.mark.parametrize("second", ["archive/DATA.PKL", "archive/Version", "archive/more\0", "data.pkl"])
def test_two_parts_of_one_name_are_refused(plain: Path, second: str) -> None:
    with zipfile.ZipFile(plain / WEIGHTS[0], "a") as file:
        entry = zipfile.ZipInfo("x")
        entry.filename = second
        file.writestr(entry, b"x")
    assert refusal(plain)


def test_a_directory_of_many_megabytes_is_not_read(plain: Path) -> None:
    path = plain / WEIGHTS[0]
    data = bytearray(path.read_bytes())
    end = data.rindex(b"PK\5\6")
    data[end + 12 : end + 16] = (1 << 30).to_bytes(4, "little")
    path.write_bytes(data)
    assert "claims to hold millions of parts" in refusal(plain)
