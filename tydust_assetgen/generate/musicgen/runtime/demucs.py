"""Loads the stem separator of melody models from a local file, without pickle's dangers.

demucs' own loaders import whatever class a file names, and torch's pickle could run anything. Here only one class is
made, `HTDemucs`, from plain values; tensors come from safetensors or through torch's `weights_only` loader.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from tydust_assetgen.errors import GenerationError

_KLASS = "demucs.htdemucs.HTDemucs"


@contextlib.contextmanager
def given(path: Path) -> Iterator[None]:
    """While it lasts, audiocraft's chroma conditioner gets this separator and asks no server for one: its constructor
    calls `demucs.pretrained.get_model`, and there is no other way to hand it one."""
    from demucs import pretrained

    original = pretrained.get_model
    pretrained.get_model = lambda *_, **__: separator(path)
    try:
        yield
    finally:
        pretrained.get_model = original


def separator(path: Path) -> Any:
    """The model, on the CPU, ready to separate.

    Raises:
        GenerationError: the file is not one of HTDemucs' weights.
    """
    from demucs.apply import BagOfModels
    from demucs.states import load_model

    try:
        package = _from_safetensors(path) if path.suffix == ".safetensors" else _from_torch(path)
        return BagOfModels([load_model(package)]).eval()
    except GenerationError:
        raise
    except Exception as error:
        raise GenerationError(
            f"`{path.name}` is not the weights of HTDemucs: {type(error).__name__}: {str(error)[:200]}",
            hint="delete it and fetch it again: assetgen models pull adefossez/HTDemucs",
        ) from error


def _from_torch(path: Path) -> dict[str, Any]:
    import torch
    from demucs.htdemucs import HTDemucs

    with torch.serialization.safe_globals([HTDemucs, Fraction]):
        package: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    if package["klass"] is not HTDemucs:
        raise GenerationError(f"`{path.name}` holds another model than HTDemucs")
    return package


def _from_safetensors(path: Path) -> dict[str, Any]:
    from demucs.htdemucs import HTDemucs
    from safetensors import safe_open

    with safe_open(str(path), framework="pt") as file:
        about = file.metadata()
        if about["klass"] != _KLASS or "structure" in about:
            raise GenerationError(f"`{path.name}` holds another model than HTDemucs")
        state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  not a dict
    args, kwargs = (_plain(json.loads(about[name])) for name in ("args", "kwargs"))
    return {"klass": HTDemucs, "args": args, "kwargs": kwargs, "state": state}


def _plain(value: Any) -> Any:
    """JSON's values, with the fractions that demucs writes as tables."""
    if isinstance(value, dict) and value.get("_type") == "fraction":
        return Fraction(int(value["numerator"]), int(value["denominator"]))
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value
