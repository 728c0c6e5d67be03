"""Checks what MusicGen can't do of a brief, as problems with hints.

What this machine lacks (weights, a GPU) is not checked here: a plan can be made on any machine.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tydust_assetgen.errors import AssetgenError, Problem, UnavailableError
from tydust_assetgen.flow import Brief
from tydust_assetgen.generate.musicgen.spec import requirements
from tydust_assetgen.generate.musicgen.spec.checkpoint import ModelInfo, model_info, refusal
from tydust_assetgen.generate.musicgen.spec.models import Source, find, is_revision
from tydust_assetgen.generate.musicgen.spec.parameters import MusicGenParameters
from tydust_assetgen.generate.musicgen.spec.windows import Clock, plan_windows
from tydust_assetgen.generate.protocol import Shelf

MAX_DURATION_S = 600.0


def problems(brief: Brief, shelf: Shelf) -> tuple[Problem, ...]:
    """Everything that is wrong with a brief; empty when it can be made."""
    try:
        parameters = msgspec.convert(brief.parameters, MusicGenParameters)
        source = find(parameters.model, parameters.revision, shelf.root)
    except msgspec.ValidationError as error:
        return (Problem(f"musicgen: {str(error)[:1].lower()}{str(error)[1:]}", hint="see `assetgen schema`"),)
    except AssetgenError as error:
        return error.problems
    refused = (*_revision(parameters), *_refused(source))
    if refused:
        return refused
    model = model_info(source)
    asked = (*_length(brief), *_sounds(parameters), *_machine(parameters), *_sections(brief, parameters))
    of_model = (*_of(parameters, model), *_windows(brief, parameters, model)) if model else ()
    return (*asked, *of_model, *_guide(brief, parameters, shelf))


def _revision(parameters: MusicGenParameters) -> Iterator[Problem]:
    if parameters.revision and not is_revision(parameters.revision):
        yield Problem(f"`{parameters.revision}` is no revision", hint="name a commit, a branch or a tag, without `/`")


def _refused(source: Source) -> Iterator[Problem]:
    """Files that are not there, or that are not safe to load."""
    if source.folder is None:
        if not source.repository:
            hint = "it must hold `state_dict.bin` and `compression_state_dict.bin`"
            yield Problem(f"there is no model in the folder `{source.name}`", hint=hint)
        return
    try:
        why = refusal(source.folder)
    except UnavailableError:
        return  # what reads it is not installed here
    if why:
        yield Problem(f"the model `{source.name}` can't be used: {why}")


def _length(brief: Brief) -> Iterator[Problem]:
    if not 0.0 < brief.duration_s <= MAX_DURATION_S:
        hint = f"up to {MAX_DURATION_S:g} s are possible"
        yield Problem(f"musicgen can't make {brief.duration_s:g} s", hint=hint)


def _sounds(parameters: MusicGenParameters) -> Iterator[Problem]:
    if parameters.melody and parameters.guide:
        yield Problem("`melody` and `guide` both say what melody is followed", hint="keep one of them")


def _machine(parameters: MusicGenParameters) -> Iterator[Problem]:
    if parameters.device == "auto":
        return  # it may be another machine that builds
    what, hint = requirements.refusal(parameters.device, parameters.precision)
    if what:
        yield Problem(what, hint=hint)


def _sections(brief: Brief, parameters: MusicGenParameters) -> Iterator[Problem]:
    if parameters.per_section and not brief.sections:
        yield Problem("`per_section` is set, but the slot has no sections", hint="give it `sections`")


def _of(parameters: MusicGenParameters, model: ModelInfo) -> Iterator[Problem]:
    """What this model is not made for."""
    asked = "melody" if parameters.melody else "guide" if parameters.guide else ""
    if asked and model.family != "melody":
        instead = "stereo-melody" if model.channels == 2 else "melody"
        what = f"`{asked}` is set, but `{parameters.model}` follows no melody: it is a text model"
        yield Problem(what, hint=f'use `model = "{instead}"`')
    if parameters.width and model.channels == 2:
        what = f"`width` makes stereo of a mono model's sound, but `{parameters.model}` is a stereo model"
        yield Problem(what, hint="leave `width` out")


def _windows(brief: Brief, parameters: MusicGenParameters, model: ModelInfo) -> Iterator[Problem]:
    """Where there is more than one window, the next one must hear something of the one before."""
    clock: Clock = model.clock
    if clock.stride(parameters) < clock.segment or not 0.0 < brief.duration_s <= MAX_DURATION_S:
        return
    if parameters.continue_from or len(plan_windows(brief, parameters, clock).windows) > 1:
        stride_s, segment_s = parameters.extend_stride, clock.segment_s
        what = f"`extend_stride` is {stride_s:g} s, but `{parameters.model}` hears {segment_s:g} s at a time"
        yield Problem(what, hint=f"about {0.6 * segment_s:g} is a good value")


def _guide(brief: Brief, parameters: MusicGenParameters, shelf: Shelf) -> tuple[Problem, ...]:
    """What the composer can't play of it."""
    if not parameters.guide:
        return ()
    from tydust_assetgen.generate.composer import Composer
    from tydust_assetgen.generate.musicgen.spec.parameters import composer_brief

    return Composer().check(composer_brief(brief), shelf)
