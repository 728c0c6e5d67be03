"""Writes a prompt from its `Parts`, in the order of the pattern; `read` reads it back."""

from __future__ import annotations

from collections.abc import Iterable

from tydust_assetgen.flow import Section
from tydust_assetgen.prompt.parts import Parts
from tydust_assetgen.prompt.sections import is_common


def write(parts: Parts) -> str:
    """The prompt: genre and atmosphere, key and tempo, sections, instruments and mood, aesthetic, quality."""
    sentences = [
        _opening(parts),
        *map(_section, parts.sections),
        *_listing("Instruments", parts.instruments),
        *_listing("Mood", parts.moods),
        *_closing("aesthetic", parts.aesthetic),
        *_closing("quality", parts.quality),
    ]
    return " ".join(f"{sentence}." for sentence in sentences if sentence)


def number(value: float) -> str:
    """A number as a person writes it: `90`, `92.5`."""
    return f"{value:.3f}".rstrip("0").rstrip(".")


def _opening(parts: Parts) -> str:
    kind = " ".join(part for part in (parts.genre.capitalize(), parts.atmosphere) if part)
    key = f"{parts.key} key" if parts.key else ""
    tempo = f"{number(parts.bpm)} BPM" if parts.bpm else ""
    return ", ".join(part for part in (kind, key, tempo, _length(parts)) if part)


def _length(parts: Parts) -> str:
    whole = f"{number(parts.duration_s)} seconds" if parts.duration_s else ""
    if parts.loop is None:
        return f"{whole} long" if whole else ""
    return f"{whole} in total, {_loop(parts.loop)}" if whole else _loop(parts.loop)


def _loop(loop: bool) -> str:
    return "looping" if loop else "plays once"


def _section(section: Section) -> str:
    head = f"{number(section.seconds)} second {section.name}"
    if section.prompt:
        return f"{head}: {section.prompt}"
    return head if is_common(section.name) else f"{head}:"


def _listing(label: str, items: Iterable[str]) -> tuple[str, ...]:
    listed = ", ".join(items)
    return (f"{label}: {listed}",) if listed else ()


def _closing(label: str, text: str) -> tuple[str, ...]:
    if not text:
        return ()
    return (
        (text.rstrip("."),)
        if text.lower().startswith((label, f"professional {label}", f"retro {label}"))
        else (f"{label.capitalize()}: {text.rstrip('.')}",)
    )
