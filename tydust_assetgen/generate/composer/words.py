"""Reads what a text (prompt, instruments, moods) asks for.

A text is read clause by clause, so that an adjective colours the instrument beside it: in "warm analog synth
bass, lush pads" the bass is warm and the pads are lush.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tydust_assetgen.generate.composer.score import Role

_CLAUSES = re.compile(r"[,.;:()]|\band\b|\bwith\b|\bover\b|\bunder\b|\bplus\b", re.IGNORECASE)
_ALONE = re.compile(r"\b(alone|only|solo|nothing but|by itself)\b", re.IGNORECASE)
_SILENT = re.compile(
    r"\b(falls?|fades?|dies?) away\b|\b(cut|breaks?|switched) off\b|\b(stops?|drops? out|silenced?|rests?)\b",
    re.IGNORECASE,
)
_NOT = re.compile(
    r"\b(no|without|not|never|free of)\b|-free\b|-less\b|\bdrumless\b",
    re.IGNORECASE,
)

# Which role a word names. A clause may name several ("arpeggiated synth leads").
_ROLES: tuple[tuple[Role, str], ...] = (
    ("pad", r"\bpads?\b|\bstrings?\b|\bchoirs?\b|\bchoral\b|\bvocal|\bsoundscape|\borgan\b"
              r"|\bchords?\b|\btextures?\b|\bambien"),
    ("bass", r"\bbass(es|line|lines)?\b|\b808\b|\bacid\b|\breese\b|\briffs?\b"),
    ("arp", r"\barp(s|eggio|eggios|eggiated|eggiator)?\b|\bsequence[rd]?s?\b|\bostinat|\bstabs?\b"
              r"|\bplucks?\b|\bplucked\b"),
    ("lead", r"\bleads?\b(?!\s+(back|in|into|to|up|out))|\bmelod(y|ies|ic)\b|\btheme\b|\bhooks?\b"
              r"|\bsolo\b|\bbrass\b"
             r"|\bbells?\b|\bchimes?\b|\bfanfare\b|\bflute\b|\bguitar\b(?! bass)|\bphrases?\b"),
    ("counter", r"\bcounter-?melod|\bcounterpoint\b|\bharmony line"),
    ("drums", r"\bdrum(s|ming|less| machine)?\b|\bpercussi(on|ve)\b|\bbeats?\b|\bkicks?\b"
              r"|\bsnares?\b|\bhi-?hats?\b"
              r"|\brhythms?\b|\btoms?\b|\bgroove\b|\bdrum rolls?\b|\bsnare rolls?\b"),
    ("fx", r"\brisers?\b|\bimpacts?\b|\bsweeps?\b|\bdrones?\b|\beffects\b|\bhums?\b"),
)  # fmt: skip
_ROLE_PATTERNS = tuple((role, re.compile(pattern, re.IGNORECASE)) for role, pattern in _ROLES)

# Which patch a clause asks for, by role; the first match wins.
_PATCHES: dict[Role, tuple[tuple[str, str], ...]] = {
    "pad": (
        (r"choir|choral|vocal|voices|organ", "choir_pad"), (r"string", "strings"),
        (r"glass|crystal|shimmer|ethereal|icy", "glass_pad"), (r"dark|cold|gloom|drone|ominous|brooding", "dark_pad"),
        (r"warm|lush|analog|soft|vintage", "warm_pad"),
    ),
    "bass": (
        (r"distort|gritty|fuzz|overdriv|aggressive|industrial", "distorted_bass"), (r"acid|303|squelch", "acid_bass"),
        (r"reese|growl|chorus|saw", "reese_bass"), (r"\bsub\b|sub-?bass|deep|808", "sub_bass"),
        (r"warm|analog|round|soft|vintage", "warm_bass"),
    ),
    "lead": (
        (r"bell|chime|music box|glocken", "bell"), (r"brass|horn|trumpet|fanfare", "brass"),
        (r"square|pulse|8-?bit|hollow", "square_lead"), (r"soft|gentle|sine|flute|mellow|reflective", "soft_lead"),
        (r"\bsaw|soaring|bright|sharp|searing|screaming|aggressive|guitar|detuned", "saw_lead"),
    ),
    "arp": (
        (r"pluck", "pluck_arp"), (r"\bfm\b|bell|glass|digital|cold|metal", "fm_arp"),
        (r"pulse|square|pulsing", "pulse_arp"),
    ),
    "counter": ((r"bell|chime", "bell"), (r"brass|horn", "brass"), (r"soft|flute", "soft_lead")),
    "drums": (
        (r"industrial|metal|machine-like|mechanical|factory|distort", "kit_industrial"),
        (r"(soft|gentle|subtle|light|minimal|muted).*|.*(soft|gentle)", "kit_80s_soft"),
        (r"dark|cold|gothic|distant|tribal|cavern", "kit_dark"), (r"80s|1980s|gated|linn|retro|electronic", "kit_80s"),
    ),
    "fx": ((r"drone|\bhums?\b", "drone"),),
}  # fmt: skip

# How much a word adds to energy (loud, busy, full) and to brightness (open filters, high registers).
_ENERGY: dict[str, float] = {
    r"calm|peaceful|tranquil|serene": -0.2, r"introspective|reflective|contemplative|meditative": -0.2,
    r"ambient|atmospheric|sparse|quiet|still|empty": -0.15, r"subtle|gentle|soft|delicate|minimal|slow": -0.1,
    r"breakdown|fading|fade|resting|lonely|melanchol\w+|sad|mournful": -0.15, r"mysterious|dreamy|floating": -0.05,
    r"ris(e|es|ing)|build(s|ing|-up)?|growing|swelling|wonder|discovery": 0.08,
    r"tense|tension|suspense\w*|urgent|urgency": 0.12,
    r"driving|pulsing|energetic|fast|upbeat|lively|propulsive|bouncy": 0.2,
    r"powerful|strong|heroic|triumphant|epic|anthemic": 0.2,
    r"intense|aggressive|relentless|frantic|furious|heavy|pounding|brutal": 0.28,
    r"combat|battle|fight|boss|war|chase|attack": 0.2, r"drop|climax|peak|full|huge|massive|explosive|victory": 0.28,
}  # fmt: skip
_BRIGHTNESS: dict[str, float] = {
    r"dark|darkness|gloomy|bleak|ominous|sinister|grim|deep|muffled|brooding|despair": -0.15,
    r"mysterious|melanchol\w+|sad|lonely|cold|distant|introspective": -0.08, r"warm|mellow|soft|vintage": -0.05,
    r"bright|shining|brilliant|sparkling|shimmer\w*|glitter\w*|crystal\w*": 0.2,
    r"hope|hopeful|wonder|discovery|uplifting|happy|joyful|triumphant|heroic|victory|playful": 0.12,
    r"harsh|searing|metallic|screaming|aggressive|sharp|neon": 0.12,
}  # fmt: skip
_RAMPS = re.compile(
    r"\b(ris(es|ing)|build(s|ing|-up)?|growing|crescendo|swelling|escalat\w+|intensifying)\b", re.IGNORECASE
)
_FALLS = re.compile(r"\b(fad(es|ing)|dissolv\w+|decrescendo|winding down|calming|receding)\b", re.IGNORECASE)
_THIRDS = re.compile(r"\b(in thirds|harmoni[sz]ed|two (square |pulse |saw )*leads|twin leads|duet)\b", re.IGNORECASE)
_LAYERS = re.compile(r"\b(layer\w*|lush|orchestral)\b", re.IGNORECASE)
_SPARSE_DRUMS = re.compile(
    r"\b(minimal|subtle|sparse|soft|light)\b[^,.;]*\b(percussion|drums?|beats?)\b", re.IGNORECASE
)
_TENSE = re.compile(r"\b(tens\w+|suspense\w*|danger\w*|threat\w*|urgen\w+|boss|dread\w*|sinister|ominous|menac\w+"
                    r"|panic|fear|horror|conflict|combat|battle)\b", re.IGNORECASE)  # fmt: skip
_ENERGY_PATTERNS = tuple((re.compile(rf"\b({words})\b", re.IGNORECASE), by) for words, by in _ENERGY.items())
_BRIGHT_PATTERNS = tuple((re.compile(rf"\b({words})\b", re.IGNORECASE), by) for words, by in _BRIGHTNESS.items())

_GENRES: tuple[tuple[str, str], ...] = (
    ("chiptune", r"chip ?tune|8-?bit|16-?bit|nes\b|game ?boy|console|pixel"),
    ("industrial", r"industrial|ebm\b|mechanical|factory|machine"),
    ("darkwave", r"dark ?wave|gothic?\b|cold ?wave|dark ambient|horror|eerie"),
    ("synthwave", r"synth ?wave|retro ?wave|outrun|80s|vapor ?wave|dream ?wave"),
)


@dataclass(frozen=True)
class TextRequest:
    """What a text asks for. Empty fields ask for nothing."""

    roles: frozenset[Role] = frozenset()
    banned: frozenset[Role] = frozenset()
    """Roles that must not play."""
    silent: frozenset[Role] = frozenset()
    """Roles that stop playing here, and may play elsewhere."""
    patches: dict[Role, str] = field(default_factory=dict)
    energy: float = 0.0
    brightness: float = 0.0
    ramp: float = 0.0
    """Change of energy from its beginning to its end."""
    tense: bool = False
    sparse_drums: bool = False
    layered: bool = False
    thirds: bool = False
    """Whether two leads sing together."""
    alone: bool = False
    """Whether the roles that are named play alone."""


def read_request(text: str) -> TextRequest:
    """Read a text. Energy and brightness lie within -0.4 to 0.4."""
    roles: set[Role] = set()
    banned: set[Role] = set()
    silent: set[Role] = set()
    patches: dict[Role, str] = {}
    for clause in _CLAUSES.split(text):
        named = [role for role, pattern in _ROLE_PATTERNS if pattern.search(clause)]
        (banned if _NOT.search(clause) else silent if _SILENT.search(clause) else roles).update(named)
        patches = {**_patches_of(clause, named), **patches}
    return TextRequest(
        frozenset(roles - banned), frozenset(banned - roles), frozenset(silent - roles), patches,
        _sum(_ENERGY_PATTERNS, text), _sum(_BRIGHT_PATTERNS, text), _ramp(text), bool(_TENSE.search(text)),
        bool(_SPARSE_DRUMS.search(text)), bool(_LAYERS.search(text)), bool(_THIRDS.search(text)),
        bool(_ALONE.search(text)),
    )  # fmt: skip


def genre_in(text: str) -> str:
    """The genre that a text names first in the list of genres, or an empty string."""
    return next((genre for genre, words in _GENRES if re.search(rf"\b({words})", text, re.IGNORECASE)), "")


def _patches_of(clause: str, roles: list[Role]) -> dict[Role, str]:
    found: dict[Role, str] = {}
    for role in roles:
        for words, patch in _PATCHES.get(role, ()):
            if re.search(words, clause, re.IGNORECASE):
                found[role] = patch
                break
    return found


def _sum(patterns: tuple[tuple[re.Pattern[str], float], ...], text: str) -> float:
    """Each group of words counts once, however often it occurs."""
    return max(-0.4, min(0.4, sum(by for pattern, by in patterns if pattern.search(text))))


def _ramp(text: str) -> float:
    return 0.25 * bool(_RAMPS.search(text)) - 0.2 * bool(_FALLS.search(text))
