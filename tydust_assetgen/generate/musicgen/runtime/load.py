"""Loads a checkpoint into audiocraft's own model, ready on its device.

Weights are mapped, not read. What is to hold them is built without memory and takes them over, each converted once to
the type that audiocraft gives it: by several threads, while the rest is still being built. No initialiser runs. Nothing
is fetched, and nothing is unpickled but tensors.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tydust_assetgen.errors import GenerationError, UnavailableError
from tydust_assetgen.generate.musicgen.runtime import demucs
from tydust_assetgen.generate.musicgen.runtime.audiocraft_imports import prepare, unswept, without_bars
from tydust_assetgen.generate.musicgen.runtime.weights_file import checked_text, load_package
from tydust_assetgen.generate.musicgen.spec import checkpoint
from tydust_assetgen.generate.musicgen.spec.checkpoint import Traits
from tydust_assetgen.generate.musicgen.spec.estimates import CORES
from tydust_assetgen.generate.musicgen.spec.models import Source
from tydust_assetgen.generate.musicgen.spec.requirements import (
    Device,
    Precision,
    needs,
    precision_for,
    refusal,
    separator_file,
)
from tydust_assetgen.system import cores

if TYPE_CHECKING:
    from tydust_assetgen.generate.musicgen.decoder.engine import Transformer

_LONGEST_STRIDE_S = 30.0
_TRAINING_ONLY = (
    "conditioners.self_wav.chroma_stem.cache_path",
    "conditioners.args.merge_text_conditions_p",
    "conditioners.args.drop_desc_p",
)
"""What audiocraft's own loader takes out of a configuration as well."""
_PRODUCTS = re.compile(r"(transformer\.layers\.\d+|linears)\..*weight")
"""What our decoder multiplies with as it is stored; norms are lines, and stay out."""
_DTYPES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}
"""Our names and audiocraft's."""


@dataclass(frozen=True)
class Model:
    """A model that is ready to perform."""

    musicgen: Any
    """`audiocraft.models.musicgen.MusicGen`."""
    device: Device
    precision: Precision
    traits: Traits
    source: Source
    network: Transformer | None = None
    """Our own decoder over the weights of `musicgen.lm`; without, audiocraft plays."""
    refused: str = ""
    """Why it does not play."""


def load(source: Source, *, device: Device, precision: Literal["auto"] | Precision, as_stored: bool = False) -> Model:
    """Load a model, as `MusicGen.get_pretrained` would: the same weights in the same types.

    On a CPU they are float32, whatever the precision, or as stored: the decoder rounds them for itself.

    Args:
        source: as `models.find` gives it.
        device: `cuda` or `cpu`.
        precision: of the transformer; `auto` is fp16 on CUDA, fp32 on a CPU.
        as_stored: on a CPU, weights of the transformer's products that are stored in fp16 stay so: half the memory,
            and for our decoder the same products. audiocraft can't play such a model before it is made float32.

    Raises:
        UnavailableError: a file is not here; the hint is the line that fetches it.
        GenerationError: the checkpoint is refused, or its weights don't fit its configuration.
    """
    folder, traits = ready(source)
    what, hint = refusal(device, precision)
    if what:
        raise GenerationError(what, hint=hint)
    wanted = precision_for(device, precision)
    dtype = _DTYPES[wanted] if device == "cuda" else "float32"
    with _quiet():
        from audiocraft.models.musicgen import MusicGen

        with ThreadPoolExecutor(min(cores(), CORES)) as executor:
            lm = _language_model(folder, device, dtype, executor, as_stored=as_stored and device == "cpu")
            codec = _codec(folder, device, executor)
        # Its constructor refuses windows that are shorter than its default stride, which is then set per track.
        made = MusicGen(str(folder), codec, lm, max_duration=max(traits.segment_s, _LONGEST_STRIDE_S))
    made.max_duration = traits.segment_s
    made.autocast = _autocast(device, dtype)
    return Model(made, device, wanted, traits, source)


def ready(source: Source) -> tuple[Path, Traits]:
    """The folder of a model of which all is here and in order.

    Raises:
        UnavailableError, GenerationError: as `load`.
    """
    if source.folder is None:
        mend = f"assetgen models pull {source.name}" if source.repository else "give a folder that has both files"
        raise UnavailableError(f"the model `{source.name}` is not here", hint=mend)
    if reason := checkpoint.refusal(source.folder):
        raise GenerationError(f"the model `{source.name}` can't be used: {reason}")
    traits = checkpoint.traits(source.folder)
    for need in needs(traits):
        if need.here is None:
            raise UnavailableError(
                f"the {need.what} `{need.name}` of the model `{source.name}` is not here", hint=need.fix
            )
    return source.folder, traits


def libraries() -> dict[str, str]:
    """Versions of what decides the sound, for the provenance."""
    return {name: metadata.version(name) for name in ("torch", "audiocraft", "transformers")}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No network, no bars of other libraries, and not the warnings that audiocraft's age brings."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    if "huggingface_hub" in sys.modules:
        sys.modules["huggingface_hub"].constants.HF_HUB_OFFLINE = True
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*weight_norm.*", category=FutureWarning)
        with unswept():
            prepare()
            yield


def _language_model(folder: Path, device: str, dtype: str, executor: Executor, *, as_stored: bool) -> Any:
    """The transformer with its conditioners."""
    from omegaconf import OmegaConf

    package = load_package(folder / "state_dict.bin")
    config = OmegaConf.create(checked_text(package, "xp.cfg", folder / "state_dict.bin"))
    config.device, config.dtype = device, dtype
    for path in _TRAINING_ONLY:
        _drop(config, path.split("."))
    lm = _empty(config, _conditioners(config, executor))
    _take_over(lm, package["best_state"], device, folder, executor, kept=_PRODUCTS if as_stored else None)
    lm.cfg = config
    return lm.eval()


def _drop(config: Any, path: list[str]) -> None:
    for name in path[:-1]:
        config = config.get(name)
        if config is None:
            return
    config.pop(path[-1], None)


def _conditioners(config: Any, executor: Executor) -> Any:
    """Made on the device: their encoders bring their own weights. Chroma is prepared as `get_pretrained` does."""
    from audiocraft.models import builders

    from tydust_assetgen.generate.musicgen.runtime import text_encoder

    path = separator_file() if "self_wav" in config.conditioners else None
    finetuned = any(table.get("t5", {}).get("finetune") for table in config.conditioners.values())
    with (
        demucs.given(path) if path else contextlib.nullcontext(),
        contextlib.nullcontext() if finetuned else text_encoder.given(config.device, executor),
    ):
        provider = builders.get_conditioner_provider(config.transformer_lm.dim, config).to(config.device)
    if "self_wav" in provider.conditioners:
        provider.conditioners["self_wav"].match_len_on_eval = True
        provider.conditioners["self_wav"]._use_masking = False
    return provider


def _empty(config: Any, provider: Any) -> Any:
    """The transformer as the configuration describes it, without memory for its weights."""
    import torch
    from audiocraft.models import builders
    from audiocraft.models.lm import LMModel
    from omegaconf import OmegaConf

    from tydust_assetgen.generate.musicgen.runtime.skip_init import on_meta_device

    shape: Any = OmegaConf.to_container(config.transformer_lm, resolve=True)
    old_pattern = {"modeling": shape.pop("q_modeling", None), "delay": {"delays": list(range(shape["n_q"]))}}
    named = config.codebooks_pattern.modeling is not None
    fuser = builders.get_condition_fuser(config)
    shape["cross_attention"] = bool(shape.get("cross_attention")) or bool(fuser.fuse2cond["cross"])
    with on_meta_device():
        return LMModel(
            pattern_provider=builders.get_codebooks_pattern_provider(
                shape["n_q"], config.codebooks_pattern if named else OmegaConf.create(old_pattern)
            ),
            condition_provider=provider,
            fuser=fuser,
            cfg_dropout=config.classifier_free_guidance.training_dropout,
            cfg_coef=config.classifier_free_guidance.inference_coef,
            attribute_dropout=OmegaConf.to_container(config.attribute_dropout, resolve=True),
            dtype=getattr(torch, config.dtype),
            device="meta",
            **shape,
        )


def _take_over(
    model: Any,
    state: dict[str, Any],
    device: str,
    folder: Path,
    executor: Executor,
    kept: re.Pattern[str] | None = None,
) -> None:
    """Give a model its weights, each as a copy of its own in the type that the model has for it; matrices whose names
    are `kept` stay in fp16 where they are stored so."""
    import torch

    types = {name: tensor.dtype for name, tensor in model.state_dict().items()}
    if kept is not None:
        matrices = {name: tensor for name, tensor in state.items() if kept.fullmatch(name) and tensor.dim() == 2}
        types |= {name: tensor.dtype for name, tensor in matrices.items() if tensor.dtype == torch.float16}

    def copied(name: str) -> Any:
        here = state[name].to(device)  # as it is stored: a GPU converts it faster, and less has to go there
        return here.to(types.get(name, here.dtype), copy=device == "cpu")

    try:
        model.load_state_dict(dict(zip(state, executor.map(copied, state), strict=True)), assign=True)
    except RuntimeError as error:
        if "memory" in str(error):
            raise
        why = " ".join(str(error).split())[:300]
        raise GenerationError(f"the weights in `{folder}` don't fit its configuration: {why}") from error
    empty = [name for name, tensor in [*model.named_parameters(), *model.named_buffers()] if tensor.is_meta]
    if empty:
        raise GenerationError(f"the weights in `{folder}` lack `{empty[0]}`")


def _codec(folder: Path, device: str, executor: Executor) -> Any:
    """EnCodec, always in full precision: from the folder, or from the hub cache when the file only names one."""
    from audiocraft.models import builders
    from audiocraft.models.encodec import HFEncodecCompressionModel
    from omegaconf import OmegaConf

    from tydust_assetgen.generate.musicgen.runtime.skip_init import without_initialising

    package = load_package(folder / "compression_state_dict.bin")
    path = folder / "compression_state_dict.bin"
    if "pretrained" in package:
        name = checked_text(package, "pretrained", path)
        with without_bars():
            from transformers import EncodecModel

            made = EncodecModel.from_pretrained(name, use_safetensors=True, local_files_only=True)
        return HFEncodecCompressionModel(made).to(device).eval()
    config = OmegaConf.create(checked_text(package, "xp.cfg", path))
    config.device = "cpu"
    with without_initialising():
        codec = builders.get_compression_model(config)
    _take_over(codec, package["best_state"], device, folder, executor)
    return codec.eval()


def _autocast(device: str, dtype: str) -> Any:
    """As audiocraft has it: none in full precision, otherwise to the transformer's type."""
    import torch
    from audiocraft.utils.autocast import TorchAutocast

    if dtype == "float32":
        return TorchAutocast(enabled=False)
    return TorchAutocast(enabled=True, device_type=device, dtype=getattr(torch, dtype))
