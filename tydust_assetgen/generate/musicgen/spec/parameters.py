"""The `[music."…".musicgen]` table. Ranges and descriptions stand here; the manifest checks against them."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tydust_assetgen.flow import Brief
from tydust_assetgen.generate.composer.parameters import ComposerParameters

NAME = "musicgen"
VERSION = "1"
"""Part of every key. It goes up whenever the same brief makes another sound."""


class MusicGenParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What MusicGen is asked besides the brief. Sampling defaults are those of the track that this tool grew out of."""

    model: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=300,
            description="a model's name, or a folder with one",
            extra={"files": ("state_dict.bin", "compression_state_dict.bin")},
        ),
    ] = "medium"
    revision: Annotated[
        str, Meta(max_length=100, description="commit of the model's repository; empty: the cached one")
    ] = ""
    device: Annotated[Literal["auto", "cuda", "cpu"], Meta(description="auto: CUDA where there is a device")] = "auto"
    precision: Annotated[
        Literal["auto", "fp32", "fp16", "bf16", "int8"],
        Meta(
            description="of the transformer; auto: fp16 on CUDA, fp32 on a CPU; "
            "bf16 and int8 sound different on a CPU, and int8 is faster"
        ),
    ] = "auto"
    temperature: Annotated[float, Meta(gt=0, le=5, description="higher: more surprises")] = 1.1
    top_k: Annotated[int, Meta(ge=0, le=2048, description="draw from so many likeliest tokens; 0: from all")] = 250
    top_p: Annotated[
        float, Meta(ge=0, le=1, description="draw from the likeliest tokens of this sum; 0: use top_k")
    ] = 0.0
    cfg_coef: Annotated[float, Meta(ge=0, le=20, description="how strictly the text is followed")] = 3.0
    two_step_cfg: Annotated[bool, Meta(description="guidance in two passes instead of one")] = False
    extend_stride: Annotated[
        float, Meta(ge=1, le=29, description="seconds by which a window moves on over 30 s; the rest is heard again")
    ] = 18.0
    per_section: Annotated[bool, Meta(description="each section is led by its own text")] = False
    melody: Annotated[
        str, Meta(max_length=300, extra={"reference": True}, description="a sound whose melody is followed")
    ] = ""
    continue_from: Annotated[
        str, Meta(max_length=300, extra={"reference": True}, description="a sound that the track carries on from")
    ] = ""
    guide: Annotated[
        Literal["", "composer"], Meta(description="composer: follow the melody of the composer's own version")
    ] = ""
    width: Annotated[
        float, Meta(ge=0, le=1, description="stereo width made from a mono model's sound; 0: dual mono")
    ] = 0.0
    licence: Annotated[str, Meta(max_length=100, description="of the weights in a folder of your own, such as MIT")] = (
        ""
    )


def composer_brief(brief: Brief) -> Brief:
    """The same slot for the composer, with its default parameters."""
    parameters = msgspec.to_builtins(ComposerParameters())
    return msgspec.structs.replace(brief, generator="composer", parameters=parameters, references=(), takes=1, pick=0)
