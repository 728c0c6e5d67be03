"""What can be known of a checkpoint without loading it: its traits, its fingerprint, and why it can't be used.

`checkpoint_scan` looks into its two files; here their configuration is read.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from tydust_assetgen.errors import AssetgenError, UnavailableError
from tydust_assetgen.generate.musicgen.spec.checkpoint_scan import CONFIG_CHARS, Scan, scan_file
from tydust_assetgen.generate.musicgen.spec.models import REPOSITORY, WEIGHTS, Family, Source, cached, find
from tydust_assetgen.generate.musicgen.spec.parameters import MusicGenParameters
from tydust_assetgen.generate.musicgen.spec.windows import Clock

_DEEPEST = 40
"""Tables within tables of a configuration; those of MusicGen have six."""


@dataclass(frozen=True)
class Traits:
    """What a model is, by its configuration."""

    family: Family
    channels: int
    codebooks: int
    card: int
    """Tokens of each codebook."""
    dim: int
    layers: int
    heads: int
    segment_s: float
    """The longest window that it reads and makes at once, in seconds."""
    sample_rate_hz: int
    frame_rate: float
    """Steps a second."""
    text_encoder: str
    """Such as `t5-base`; empty when the model has its own lookup table."""
    delays: tuple[int, ...]
    """Of each codebook, in steps."""
    codec: str
    """The repository of the codec; empty when its weights are in the folder."""
    parameters: int
    """Of the language model, counted from its shape."""


def refusal(folder: Path) -> str:
    """Why this checkpoint can't be used, in characters that can be printed; empty when all is well."""
    return _printable(_refusal(folder))


def _refusal(folder: Path) -> str:
    scans = [scan_file(folder / name) for name in WEIGHTS]
    reason = next((scan.reason for scan in scans if scan.reason), "")
    if reason:
        return reason
    try:
        reason = _cannot(_yaml(scans[0].config)) or _bad_codec(scans[1])
        if not reason:
            traits(folder)  # raises when it can't be read
        return reason
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        return f"the configuration in `{WEIGHTS[0]}` can't be read: {type(error).__name__}: {str(error)[:200]}"


def file_refusal(path: Path) -> str:
    """Why one file of weights can't be used, by itself; empty when nothing is wrong with it."""
    return _printable(scan_file(path).reason)


def _printable(text: str) -> str:
    """What stands in a stranger's file must not steer the terminal."""
    return "".join(one if one.isprintable() else "?" for one in text)


def codec_name(folder: Path) -> str:
    """The repository of the codec on the hub; empty when its weights are in the folder, or the name is not one."""
    name = scan_file(folder / WEIGHTS[1]).pretrained
    return name if REPOSITORY.fullmatch(name) else ""


def fingerprint(folder: Path) -> str:
    """SHA-256 over names, sizes and CRC-32s of all that is in both files: changes when a weight does. Empty when the
    files are not there or not zips."""
    scans = [scan_file(folder / name) for name in WEIGHTS]
    if not all(scan.identity for scan in scans):
        return ""
    parts = [scan.identity for scan in scans]
    if scans[1].pretrained and (codec := cached(scans[1].pretrained, "config.json")):
        parts.append(codec.name)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def traits(folder: Path) -> Traits:
    """What the model is.

    Raises:
        UnavailableError: PyYAML is not installed, or the file has no configuration.
        LookupError, TypeError, ValueError: the configuration is not one of MusicGen; `refusal` says it in words.
    """
    try:
        told = _traits(folder)
    except (ArithmeticError, RecursionError) as error:
        raise ValueError(f"it has a number that can't be: {error}") from None
    if absurd := _absurd(told):
        raise ValueError(f"`{absurd}` is {str(getattr(told, absurd))[:30]}")
    return told


def _absurd(told: Traits) -> str:
    """The first number that no model can have, by its name; empty when all are possible."""
    limits = {
        "codebooks": 64,
        "card": 1 << 20,
        "dim": 1 << 16,
        "layers": 1 << 10,
        "heads": 1 << 10,
        "segment_s": 3600,
        "sample_rate_hz": 768_000,
        "frame_rate": 10_000,
    }
    return next((name for name, most in limits.items() if not 0 < getattr(told, name) <= most), "")


def _traits(folder: Path) -> Traits:
    lm, codec = (scan_file(folder / name) for name in WEIGHTS)
    config = _yaml(lm.config)
    shape, books = config["transformer_lm"], config["codebooks_pattern"]
    rate_hz, frame_rate = _codec_rates(codec)
    conditioners = config["conditioners"]
    text = conditioners["description"]
    return Traits(
        family="melody" if "self_wav" in conditioners else "text",
        channels=2 if (config.get("interleave_stereo_codebooks") or {}).get("use") else int(config["channels"]),
        codebooks=int(shape["n_q"]),
        card=int(shape["card"]),
        dim=int(shape["dim"]),
        layers=int(shape["num_layers"]),
        heads=int(shape["num_heads"]),
        segment_s=float(config["dataset"]["segment_duration"]),
        sample_rate_hz=rate_hz,
        frame_rate=frame_rate,
        text_encoder=str(text["t5"]["name"]) if text["model"] == "t5" else "",
        delays=tuple(int(delay) for delay in books["delay"]["delays"]) if "delay" in books else (),
        codec=codec.pretrained,
        parameters=_count(shape, cross=bool(config["fuser"]["cross"])),
    )


def _count(shape: dict[str, Any], *, cross: bool) -> int:
    """Attention has 4 d², a second one for text as many, the feed-forward pair 2 h d²; tables in and out."""
    dim, scale = int(shape["dim"]), float(shape.get("hidden_scale", 4))
    layer = (4 + 4 * cross + 2 * scale) * dim * dim
    tables = int(shape["n_q"]) * (2 * int(shape["card"]) + 1) * dim
    return round(int(shape["num_layers"]) * layer + tables)


def _cannot(config: dict[str, Any]) -> str:
    """What audiocraft 1.3.0 could not build, or not without more."""
    if config["lm_model"] != "transformer_lm":
        return f"it is a `{config['lm_model']}` model, not a MusicGen"
    for name, table in config["conditioners"].items():
        kind = table.get("model", name) if isinstance(table, dict) else ""
        if kind and kind not in ("t5", "lut", "chroma_stem"):
            return f"it is conditioned by `{kind}`, which audiocraft 1.3.0 does not have, or only for training"
        spoken = kind == "lut" and table["lut"]["tokenizer"] == "whitespace"
        if (spoken or (kind == "t5" and table["t5"].get("normalize_text"))) and not find_spec("spacy"):
            return "its text is taken apart by spaCy, which is not installed: pip install spacy"
    return "" if "description" in config["conditioners"] else "it takes no text"


def _bad_codec(scan: Scan) -> str:
    name = scan.pretrained
    if not name:
        return "" if _yaml(scan.config)["compression_model"] == "encodec" else "its codec is not EnCodec"
    if not REPOSITORY.fullmatch(name):
        return f"its codec is `{name[:100]}`, and only EnCodec models of the hub can be used besides its own weights"
    if not cached(name, "config.json", "model.safetensors"):
        return f"its codec `{name}` is not in the hub cache: assetgen models pull {name}"
    kind = _hub_codec(name).get("model_type")
    return "" if kind == "encodec" else f"its codec `{name}` is a `{kind}` model, not EnCodec"


def _codec_rates(scan: Scan) -> tuple[int, float]:
    """Samples and frames a second."""
    if scan.pretrained:
        config = _hub_codec(scan.pretrained)
        rate, ratios = int(config["sampling_rate"]), config["upsampling_ratios"]
    else:
        config = _yaml(scan.config)
        rate, ratios = int(config["encodec"]["sample_rate"]), config["seanet"]["ratios"]
    return rate, float(rate // math.prod(int(ratio) for ratio in ratios))


def _hub_codec(name: str) -> dict[str, Any]:
    folder = cached(name, "config.json")
    if folder is None:
        raise LookupError(f"`{name}` is not in the hub cache")
    text = (folder / "config.json").read_bytes()[:CONFIG_CHARS]
    try:
        config: dict[str, Any] = json.loads(text)
    except RecursionError:
        raise ValueError("its tables go too deep") from None
    return config


@lru_cache(maxsize=32)
def _yaml(text: str) -> dict[str, Any]:
    try:
        import yaml
    except ImportError:
        raise UnavailableError("PyYAML is not installed", hint='pip install "tydust-assetgen[musicgen]"') from None
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _not_too_deep(yaml.parse(text, loader))
        config = yaml.load(text, loader)  # noqa: S506  the safe one, in C
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"not YAML: {error}") from None
    if not isinstance(config, dict):
        raise ValueError("no configuration is in it")
    return config


def _not_too_deep(events: Iterable[object]) -> None:
    """The loader in C goes down without looking, and ends the whole process where the stack does. Aliases cost nothing
    to load, and all the memory there is when they are copied."""
    depth = 0
    for event in events:
        kind = type(event).__name__
        depth += kind.endswith(("MappingStartEvent", "SequenceStartEvent"))
        depth -= kind.endswith(("MappingEndEvent", "SequenceEndEvent"))
        if depth > _DEEPEST:
            raise ValueError("its tables go too deep")
        if kind == "AliasEvent":
            raise ValueError(
                "it repeats parts by reference, which no published model's does: a few lines could grow huge"
            )


class ModelInfo(NamedTuple):
    """What decides whether a model can do something, and how long it takes."""

    family: Family
    channels: int
    parameters: int
    """How many weights its language model has."""
    clock: Clock


def model_info(source: Source) -> ModelInfo | None:
    """Of a model; `None` where nothing is known of it: somebody's own on the hub, not here, or files that can't be
    read (`checkpoint.refusal` says why)."""
    if source.folder is not None and (read := _read(source.folder)) is not None:
        return read
    known = source.known
    return ModelInfo(known.family, known.channels, known.parameters, Clock()) if known else None


def find_source(parameters: MusicGenParameters, root: Path | None = None) -> Source | None:
    """The source that is asked for; `None` where there is no such name."""
    try:
        return find(parameters.model, parameters.revision, root or Path())
    except AssetgenError:
        return None


def _read(folder: Path) -> ModelInfo | None:
    try:
        told = traits(folder)
    except (AssetgenError, LookupError, TypeError, ValueError, AttributeError):
        return None
    return ModelInfo(told.family, told.channels, told.parameters, Clock(told.segment_s, told.frame_rate))
