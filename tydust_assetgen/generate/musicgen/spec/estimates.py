"""What to expect of a brief before it is made: licence, cautions, what decides its sound, how long it takes."""

from __future__ import annotations

from importlib.util import find_spec

import msgspec

from tydust_assetgen.flow import Brief, Scalar
from tydust_assetgen.generate.composer import Composer
from tydust_assetgen.generate.musicgen.spec import requirements
from tydust_assetgen.generate.musicgen.spec.checkpoint import ModelInfo, find_source, fingerprint, model_info
from tydust_assetgen.generate.musicgen.spec.models import KNOWN, Source
from tydust_assetgen.generate.musicgen.spec.parameters import MusicGenParameters
from tydust_assetgen.generate.musicgen.spec.windows import Clock, Window, plan_windows
from tydust_assetgen.generate.protocol import Shelf
from tydust_assetgen.system import cores

UNKNOWN_LICENCE = "unknown"
_CPU_WEIGHTS_PER_S = 2.1e9
"""Weights that one core passes through in a second, both rows of guidance, in fp32, by our own decoder: a small model
of 300 million makes 13 to 18 steps a second on two cores (docs/performance.md), fewer in long windows."""
_FASTER = {"int8": 2.0, "bf16": 0.7}
"""On a CPU, against `fp32`, for a track that plays alone."""
CORES = 8
"""More than so many are not faster: the memory's bandwidth is the limit."""
_GPU_STEPS_PER_S = 400.0
"""However small the model: its kernels wait for each other."""
_GPU_WEIGHTS_PER_S = 3e11
"""In half precision, for a card that reads 1 TB/s and is used well. Calculated, not measured."""
_PROMPT_FRAME_STEPS = 1 / 30
"""A frame of a prompt costs this part of a step: they go through the model together."""
_DECODING = {"cpu": 0.19, "cuda": 0.02}
"""Seconds for a second of sound."""
_MELODY = {"cpu": 1.5, "cuda": 0.1}
"""Seconds for a second of a window's melody: Demucs separates it."""


def missing_libraries() -> str:
    """Empty when what MusicGen needs is installed, else what is missing and the line that mends it."""
    missing = [name for name in ("torch", "audiocraft") if find_spec(name) is None]
    if not missing:
        return ""
    verb = "is" if len(missing) == 1 else "are"
    return f'{" and ".join(missing)} {verb} not installed: uv pip install ".[musicgen]"'


def parameters_of(brief: Brief) -> MusicGenParameters:
    """The brief's parameters. They were checked when the manifest was read."""
    return msgspec.convert(brief.parameters, MusicGenParameters)


def licence(brief: Brief) -> str:
    """Of the weights: what the manifest says of a folder, what is known of a published model, else `unknown`."""
    parameters = parameters_of(brief)
    source = find_source(parameters)
    return (source.licence if source else "") or parameters.licence or UNKNOWN_LICENCE


def cautions(brief: Brief, shelf: Shelf) -> tuple[str, ...]:
    """The licence of the weights, weights that are not here, a missing GPU, and a precision that sounds different: the
    same words for all slots that it concerns, so that each is shown once. How long all takes, the plan says."""
    parameters = parameters_of(brief)
    source = find_source(parameters, shelf.root)
    told = [_licence_caution(parameters, licence(brief))]
    if source is not None and source.folder is None and source.repository:
        told.append(_absent_weights_caution(parameters, source))
    if requirements.device_for(parameters) == "cpu":
        told.append("no GPU is used: MusicGen is slow on a CPU")
        told.append(_rounding_caution(parameters))
    return tuple(each for each in told if each)


def key_parameters(brief: Brief, shelf: Shelf) -> dict[str, Scalar]:
    """The identity of the weights, empty where they are not here; and the version of the composer where it guides."""
    parameters = parameters_of(brief)
    source = find_source(parameters, shelf.root)
    weights = fingerprint(source.folder) if source and source.folder else ""
    return {"weights": weights, **({"composer": Composer.version} if parameters.guide else {})}


def estimate_s(brief: Brief) -> float:
    """How long a brief takes, in seconds, from the model's size, the device and the windows."""
    parameters = parameters_of(brief)
    source = find_source(parameters)
    model = (model_info(source) if source else None) or _NEAREST
    layout = plan_windows(brief, parameters, model.clock)
    device = requirements.device_for(parameters)
    step_s = _step_s(model, device, parameters.precision)
    playing_s = sum(_steps(window) for window in layout.windows) * step_s
    melody_s = _MELODY[device] * model.clock.segment_s * len(layout.windows) if _follows(parameters) else 0.0
    return playing_s + melody_s + _DECODING[device] * layout.seconds


def _steps(window: Window) -> float:
    return window.new + _PROMPT_FRAME_STEPS * window.prompt


def _step_s(model: ModelInfo, device: requirements.Device, precision: str) -> float:
    if device == "cuda":
        return max(1 / _GPU_STEPS_PER_S, model.parameters / _GPU_WEIGHTS_PER_S)
    return model.parameters / (_CPU_WEIGHTS_PER_S * min(cores(), CORES) * _FASTER.get(precision, 1.0))


def _follows(parameters: MusicGenParameters) -> bool:
    return bool(parameters.melody or parameters.guide)


def _absent_weights_caution(parameters: MusicGenParameters, source: Source) -> str:
    return f"the weights of `{parameters.model}` are not here: {pull_line(parameters, source)}"


def pull_line(parameters: MusicGenParameters, source: Source) -> str:
    """The line that fetches what is asked for."""
    option = f" --revision {parameters.revision}" if parameters.revision else ""
    return f"assetgen models pull {source.repository}{option}"


def _licence_caution(parameters: MusicGenParameters, name: str) -> str:
    if name == UNKNOWN_LICENCE:
        return f"the licence of `{parameters.model}` is not known: say it as `licence`, or don't sell what it makes"
    if "-NC" in name:
        return f"the weights of `{parameters.model}` are under {name}: what they make is not for commercial use"
    return ""


def _rounding_caution(parameters: MusicGenParameters) -> str:
    if parameters.precision not in requirements.ROUNDED:
        return ""
    return f"`{parameters.precision}` on a CPU sounds different from `fp32`: the same seed gives other music"


_NEAREST = ModelInfo("text", 1, KNOWN["medium"].parameters, Clock())
"""For a model of which nothing is known here."""
