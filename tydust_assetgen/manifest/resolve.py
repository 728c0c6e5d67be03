"""From one slot of the manifest to its `Recipe`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from tydust_assetgen.errors import Problem
from tydust_assetgen.flow import Brief, Finish, Recipe, Scalar
from tydust_assetgen.manifest import outputs, precedence, timing
from tydust_assetgen.manifest.parameters import makers_in, parameter_faults, parameters, taken_by
from tydust_assetgen.manifest.paths import name_faults
from tydust_assetgen.manifest.precedence import PROGRAM, Layer, Layers, built_in, pick
from tydust_assetgen.manifest.prompt_text import whole_prompt
from tydust_assetgen.manifest.references import reference_faults, references
from tydust_assetgen.manifest.tables import CODECS, TrackTable
from tydust_assetgen.manifest.validate import Checked, Fault, check_table, fields_of, nearest, printable, unknown
from tydust_assetgen.prompt import GENRES, Parts, find_keys, find_tempos, parse_key, read, sound_alike

_SAYS = ("prompt", "sections", "genre")
"""The keys of which a slot needs one."""


class Surroundings(NamedTuple):
    """What a slot stands in: the checked tables of its manifest, and who can make music here."""

    game: str
    defaults: Layer
    genres: Mapping[str, Layer]
    """`[genre.NAME]` of the manifest, checked."""
    generators: Mapping[str, type[msgspec.Struct]]

    @property
    def known_genres(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*GENRES, *self.genres)))


class Resolved(NamedTuple):
    """A recipe (without its place), or what is wrong."""

    recipe: Recipe | None
    faults: tuple[Fault, ...]
    parts: Parts
    values: Layer
    """What the slot's own table says, checked."""


def check_slot(slot: str, raw: object, around: Surroundings) -> Checked:
    """The slot's own table, checked; the short form is a table with a prompt."""
    if isinstance(raw, str):
        raw = {"prompt": raw}
    if not isinstance(raw, dict):
        message = "a slot must be a text (the short form) or a table"
        return Checked({}, (Fault("", message, f'write `"{slot}" = "what it should sound like"`'),))
    own = makers_in(raw, around.generators)
    checked = check_table(raw, TrackTable, "", own, lambda key: taken_by(key, around.generators))
    values = {**checked.values, **{name: raw[name] for name in own if isinstance(raw[name], dict)}}
    return Checked(values, (*checked.faults, *setting_faults(raw, checked.values, around)))


def setting_faults(raw: Mapping[str, Any], values: Layer, around: Surroundings, inside: str = "") -> tuple[Fault, ...]:
    """What types alone can't tell of a table of settings: keys, names of genres and generators, their own tables."""
    dot = f"{inside}." if inside else ""
    faults = list(parameter_faults(raw, around.generators, dot))
    if "key" in values and not parse_key(values["key"]):
        hint = "write a tonic and a mode: `D minor`, `F# major`, `Bb minor`"
        faults.append(Fault(f"{dot}key", f"`{dot}key` is no key: `{values['key'][:40]}`", hint))
    if "genre" in values and values["genre"] not in around.known_genres:
        faults.append(unknown("genre", values["genre"], around.known_genres, f"{dot}genre"))
    if "generator" in values and values["generator"] not in around.generators:
        faults.append(unknown("generator", values["generator"], around.generators, f"{dot}generator"))
    return tuple(faults)


def resolve(slot: str, raw: object, around: Surroundings) -> Resolved:
    """One slot's recipe, and everything that is wrong with it."""
    quotes = _forgotten_quotes(slot, raw)
    if quotes:
        return Resolved(None, (quotes,), Parts(), {})
    checked = check_slot(slot, raw, around)
    values = checked.values
    parts = read(values.get("prompt", ""), around.known_genres)
    told = _with_sections(values, parts, around)
    stack = _stack(values, told, around)
    made = parameters(pick(stack, "generator"), stack, around.generators)
    heard = references(pick(stack, "generator"), made.values, around.generators)
    faults = _faults(slot, checked, parts, stack) or made.faults or reference_faults(slot, heard)
    recipe = None if faults else _recipe(slot, around.game, told, stack, made.values)
    if recipe:
        recipe = msgspec.structs.replace(recipe, brief=msgspec.structs.replace(recipe.brief, references=heard))
    return Resolved(recipe, faults, parts, values)


def _faults(slot: str, checked: Checked, parts: Parts, stack: Layers) -> tuple[Fault, ...]:
    return (
        *name_faults(slot),
        *checked.faults,
        *_empty(checked, stack),
        *_contradictions(checked.values, parts),
        *timing.course_faults(checked.values, parts),
        *outputs.output_faults(slot, stack),
    )


def _recipe(slot: str, game: str, parts: Parts, stack: Layers, made: dict[str, Scalar]) -> Recipe:
    return Recipe(
        slot=slot,
        title=" ".join(stack[0].get("title", "").split()) or outputs.title(slot),
        game=game,
        brief=_brief(parts, stack, made),
        finish=_finish(stack),
        outputs=outputs.outputs(slot, stack),
        strict=tuple(sorted(set(pick(stack, "strict")))),
    )


def _with_sections(values: Layer, parts: Parts, around: Surroundings) -> Parts:
    """The parts of the text, with the instruments and moods that the sections' own words name."""
    words = ". ".join(section.get("prompt") or "" for section in values.get("sections", []))
    told = read(words, around.known_genres)
    return msgspec.structs.replace(
        parts,
        instruments=tuple(dict.fromkeys(parts.instruments + told.instruments)),
        moods=tuple(dict.fromkeys(parts.moods + told.moods)),
    )


def _stack(values: Layer, parts: Parts, around: Surroundings) -> Layers:
    text = precedence.text_layer(parts)
    genre = pick((values, text, around.defaults), "genre", "")
    return (values, text, around.genres.get(genre, {}), around.defaults, built_in().get(genre, {}), PROGRAM)


def _brief(parts: Parts, stack: Layers, made: dict[str, Scalar]) -> Brief:
    values = stack[0]
    whole_s = timing.duration_s(values, parts, stack[2:])
    brief = Brief(
        generator=pick(stack, "generator"),
        prompt="",
        duration_s=whole_s,
        seed=pick(stack, "seed"),
        takes=pick(stack, "takes"),
        loop=pick(stack, "loop"),
        genre=pick(stack, "genre", ""),
        key=precedence.key_name(stack),
        bpm=float(pick(stack, "bpm")),
        sections=timing.sections(values, parts, whole_s),
        instruments=precedence.names(pick(stack, "instruments")),
        moods=precedence.names(pick(stack, "mood")),
        parameters=made,
    )
    return msgspec.structs.replace(brief, prompt=whole_prompt(values, parts, brief, stack))


def _finish(stack: Layers) -> Finish:
    return Finish(
        loop=pick(stack, "loop"),
        target_lufs=float(pick(stack, "loudness")),
        true_peak_dbtp=float(pick(stack, "true_peak")),
        sample_rate_hz=pick(stack, "sample_rate"),
        channels=pick(stack, "channels"),
    )


def _empty(checked: Checked, stack: Layers) -> tuple[Fault, ...]:
    """A slot that says nothing at all. A prompt that is wrong, or misspelt, has its fault already."""
    said = "prompt" in checked.values or "sections" in checked.values or pick(stack, "genre", "")
    tried = [fault.key.split(".")[0] for fault in checked.faults]
    if said or any(not key or nearest(key, fields_of(TrackTable)) in _SAYS for key in tried):
        return ()
    return (Fault("", "slot has no `prompt`", "say what it should sound like, or give it `sections` or a `genre`"),)


def _contradictions(values: Layer, parts: Parts) -> tuple[Fault, ...]:
    """Where a field and the slot's own text say different things."""
    faults = []
    text = " ".join(values.get("prompt", "").split())
    genre = values.get("genre", "")
    if genre and parts.genre != genre and _begins_with(text, parts.genre):
        faults.append(_contradiction("genre", genre, parts.genre))
    key = parse_key(values.get("key", ""))
    if key and parts.key and not any(sound_alike(key, said) for said in find_keys(text)):
        faults.append(_contradiction("key", key, parts.key))
    bpm = values.get("bpm")
    if bpm and parts.bpm and all(abs(bpm - said) > 0.01 for said in find_tempos(text)):
        faults.append(_contradiction("bpm", f"{bpm:g}", f"{parts.bpm:g} BPM"))
    elif parts.bpm and not 20 <= parts.bpm <= 300:
        faults.append(Fault("prompt", f"the prompt says {parts.bpm:g} BPM; a tempo is from 20 to 300"))
    loop = values.get("loop")
    if loop is not None and parts.loop is not None and loop != parts.loop:
        faults.append(
            _contradiction("loop", str(loop).lower(), "that it loops" if parts.loop else "that it does not loop")
        )
    return tuple(faults)


def _begins_with(text: str, genre: str) -> bool:
    """Whether a text opens with a genre; further in, another genre's name may only colour it (`industrial drums`)."""
    opening, name = (one.lower().replace(" ", "").replace("-", "") for one in (text, genre))
    return bool(name) and opening.startswith(name)


def _contradiction(key: str, field: str, said: str) -> Fault:
    return Fault(
        key, f"`{key}` is {field}, but the prompt says {said}", "say the same in both, or only in one", "prompt"
    )


def _forgotten_quotes(slot: str, raw: object) -> Fault | None:
    """`[music.title.ogg]` names the tables `title` and `ogg`, not the slot `title.ogg`."""
    if "." in slot or not isinstance(raw, dict) or not raw or not set(raw) <= set(CODECS):
        return None
    name = f"{slot}.{next(iter(raw))}"
    return Fault("", f"`{slot}` is no file name", f'put the slot in quotes: `[music."{name}"]`')


def problem(slot: str, fault: Fault, file: str, line: int, other_line: int) -> Problem:
    """A fault with its place, for a person."""
    other = f" ({file}:{other_line})" if other_line else ""
    place = f"{file}:{line}" if line else file
    return Problem(printable(fault.message) + other, place, printable(slot), printable(fault.hint))
