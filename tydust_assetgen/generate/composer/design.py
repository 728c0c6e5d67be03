"""Decides everything about a piece before its first note is written:
style, key, tempo, bars, sections with their energy, which roles play where, and on which patches.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

from tydust_assetgen.flow import Brief
from tydust_assetgen.generate.composer.form import NAMED_ENERGY, Stretch, exact_bars, stretches, whole_bars
from tydust_assetgen.generate.composer.parameters import ComposerParameters
from tydust_assetgen.generate.composer.rng import Rng
from tydust_assetgen.generate.composer.score import Passage, Role
from tydust_assetgen.generate.composer.styles import STYLES, Style
from tydust_assetgen.generate.composer.theory import Key, parse_key
from tydust_assetgen.generate.composer.words import TextRequest, genre_in, read_request

ROLES: tuple[Role, ...] = ("pad", "bass", "arp", "lead", "counter", "drums", "fx")
_SWITCHES: dict[Role, str] = {
    "pad": "pads", "bass": "bass", "arp": "arpeggio", "lead": "lead", "counter": "counter", "drums": "drums",
    "fx": "effects",
}  # fmt: skip
# Key and tempo stay out of the seed: another key is the same piece transposed, another tempo the same piece faster.
_KEY_AND_TEMPO = re.compile(r"\b[A-G][#b♯♭]?[ -](major|minor)\b( key)?|\b[\d.]+\s*bpm\b", re.IGNORECASE)
_JINGLE_BARS = 8
_JINGLES = {
    "victory": re.compile(r"\b(victory|win|won|fanfare|triumph\w*|level (clear|complete|up)|success)\b", re.IGNORECASE),
    "defeat": re.compile(
        r"\b(game[ -]?over|defeat|lose|lost|death|fail\w*|died|resigned|mournful|tragic)\b", re.IGNORECASE
    ),
}


@dataclass(frozen=True)
class SectionDesign:
    """One section: its bars, its energy, who plays."""

    stretch: Stretch
    energy: float
    """At its middle."""
    ramp: float
    """Change of energy from beginning to end."""
    brightness: float
    roles: frozenset[Role]
    may: frozenset[Role]
    """Roles that are not switched off; they may join when the energy grows."""
    tense: bool
    patches: dict[Role, str]
    """Where its words ask for other patches than the whole."""

    @property
    def passage(self) -> Passage:
        return Passage(
            self.stretch.name,
            self.stretch.start_bar,
            self.stretch.bars,
            round(self.energy, 3),
            round(self.brightness, 3),
        )


@dataclass(frozen=True)
class Design:
    """Everything that the players need to know besides the chords."""

    style: Style
    key: Key
    bpm: float
    beats_per_bar: int
    bars: int
    sections: tuple[SectionDesign, ...]
    patches: dict[Role, str]
    parameters: ComposerParameters
    loops: bool
    sparse_drums: bool
    layered: bool
    """Whether pads and arpeggios double early."""
    thirds: bool
    """Whether a second voice sings along."""
    jingle: str
    """`victory`, `defeat` or empty."""
    rng: Rng


def read_parameters(brief: Brief) -> ComposerParameters:
    """The composer's table of a brief.

    Raises:
        msgspec.ValidationError: an unknown name, a wrong type or a value out of range.
    """
    return msgspec.convert(brief.parameters, ComposerParameters)


def design(brief: Brief) -> Design:
    """Decide everything about a piece but its notes."""
    parameters = read_parameters(brief)
    style = STYLES[_genre(brief)]
    rng = Rng(*_seed_words(brief, style))
    key = parse_key(brief.key) if brief.key else _choose_key(style, brief, rng)
    bpm = tempo(brief)
    bars = whole_bars(brief.duration_s, bpm, parameters.beats_per_bar)
    whole = read_request(", ".join((brief.prompt, *brief.instruments, *brief.moods)))
    return Design(
        style=style,
        key=key,
        bpm=bpm,
        beats_per_bar=parameters.beats_per_bar,
        bars=bars,
        sections=_sections(brief, bars, style, parameters, whole),
        patches=_patches(style, whole, rng),
        parameters=parameters,
        loops=brief.loop,
        sparse_drums=whole.sparse_drums,
        layered=whole.layered,
        thirds=whole.thirds,
        jingle=_jingle(brief, bars),
        rng=rng,
    )


def tempo(brief: Brief) -> float:
    """The asked tempo, else one of the genre's that suits mood and duration."""
    if brief.bpm:
        return brief.bpm
    style = STYLES[_genre(brief)]
    return _choose_bpm(style, brief, read_parameters(brief), Rng(*_seed_words(brief, style)))


def _genre(brief: Brief) -> str:
    if brief.genre in STYLES:
        return brief.genre
    return genre_in(brief.genre) or genre_in(brief.prompt) or "synthwave"


def _seed_words(brief: Brief, style: Style) -> tuple[object, ...]:
    prompt = " ".join(_KEY_AND_TEMPO.sub("", brief.prompt).split())
    sections = [f"{section.name}:{section.prompt}" for section in brief.sections]
    return (brief.seed, style.name, prompt, *brief.instruments, *brief.moods, *sections)


def _choose_key(style: Style, brief: Brief, rng: Rng) -> Key:
    text = " ".join((brief.prompt, *brief.moods)).lower()
    mode = style.mode
    if re.search(r"\b(sad|game over|defeat|death|lost|dark|tense|mournful|tragic)\b", text):
        mode = "minor"
    elif re.search(r"\b(happy|joyful|victory|triumphant|playful|cheerful|uplifting)\b", text):
        mode = "major"
    return Key(rng.fork("key").choice(style.tonics), mode)


def _choose_bpm(style: Style, brief: Brief, parameters: ComposerParameters, rng: Rng) -> float:
    """A tempo of the style, near what the mood wants, such that the duration is nearly whole phrases."""
    low, high = style.bpm
    mood = read_request(", ".join((brief.prompt, *brief.moods))).energy
    wanted = low + (high - low) * max(0.0, min(1.0, 0.4 + mood + 0.3 * rng.fork("tempo").random()))

    def off(bpm: int) -> tuple[float, int]:
        bars = exact_bars(brief.duration_s, bpm, parameters.beats_per_bar)
        odd = 0.0 if brief.sections else 0.3 * (round(bars) % 2) + 0.2 * (round(bars) % 4 > 0)
        return abs(bars - round(bars)) * 240.0 / bpm + 0.06 * abs(bpm - wanted) + odd, bpm

    return float(min(range(low, high + 1), key=off))


def _jingle(brief: Brief, bars: int) -> str:
    """What a short piece that plays once is for, if it says so."""
    if brief.loop or bars > _JINGLE_BARS:
        return ""
    text = " ".join((brief.prompt, *brief.moods))
    return next((name for name, words in _JINGLES.items() if words.search(text)), "")


def _sections(
    brief: Brief, bars: int, style: Style, parameters: ComposerParameters, whole: TextRequest
) -> tuple[SectionDesign, ...]:
    parts = stretches(brief.sections, bars, brief.loop)
    return tuple(_section(part, style, parameters, whole, bool(brief.sections)) for part in parts)


def _section(
    part: Stretch, style: Style, parameters: ComposerParameters, whole: TextRequest, asked: bool
) -> SectionDesign:
    local = read_request(part.prompt)
    energy = _energy(part, style, parameters, whole.energy * (0.3 if asked else 0.6), local.energy)
    colour = 0.5 * (style.brightness + energy) + 0.6 * whole.brightness + local.brightness + parameters.brightness
    ramp = local.ramp or (0.2 if part.name in ("build", "opening", "intro") else 0.0)
    may = _allowed(style, parameters, whole, local)
    roles = _roles(style, whole, local, energy + max(0.0, ramp) / 2) & may or frozenset({"bass"})
    tense = local.tense or (whole.tense and not asked)
    return SectionDesign(part, energy, ramp, _clamp(colour, 0.0, 1.0), roles, may, tense, local.patches)


def _energy(part: Stretch, style: Style, parameters: ComposerParameters, general: float, local: float) -> float:
    """By the section's name, its words, the words of the whole, the style and the musician."""
    by_name = next((energy for name, energy in NAMED_ENERGY.items() if name in part.name.lower()), 0.55)
    return _clamp(by_name + style.energy + general + 0.6 * local + parameters.energy, 0.15, 1.0)


def _allowed(style: Style, parameters: ComposerParameters, whole: TextRequest, local: TextRequest) -> frozenset[Role]:
    banned = {role for role in whole.banned | local.banned | local.silent if role not in local.roles}
    able = (role for role in ROLES if getattr(parameters, _SWITCHES[role]) and style.thresholds[role] < 2)
    return frozenset(able) - banned


def _roles(style: Style, whole: TextRequest, local: TextRequest, energy: float) -> frozenset[Role]:
    """Who plays: those the section names, and those whose threshold the energy passes; pads always."""

    def wanted(role: Role) -> float:
        bonus = 0.15 if role in whole.roles else 0.0
        return style.thresholds[role] + 0.08 * bool(local.roles) - bonus

    if local.alone and local.roles:
        return local.roles
    return frozenset(role for role in ROLES if role in {"pad", *local.roles} or energy >= wanted(role))


def _patches(style: Style, whole: TextRequest, rng: Rng) -> dict[Role, str]:
    """The patch of each role: what the text asks for, else mostly the style's first."""
    chosen: dict[Role, str] = {}
    for role, usual in style.patches.items():
        fork = rng.fork("patch", role)
        own = usual[0] if fork.chance(0.6) else fork.choice(usual)
        chosen[role] = whole.patches.get(role, own) if style.name != "chiptune" else own
    return chosen


def _clamp(value: float, low: float, high: float) -> float:
    return max(low, min(high, value))
