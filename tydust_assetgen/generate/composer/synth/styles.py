"""How a genre is mixed: what of the effects is the style's, and not the score's."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Style:
    """Settings of the mix. All 0 to 1, except `room`, the gain of the reverb's return."""

    chorus: float = 1.0
    duck: float = 0.3
    room: float = 0.9
    saturation: float = 0.3
    air: float = 0.5
    """The high shelf, see `bus`: 1 is 5.4 dB at 10 kHz."""


STYLES = {
    "synthwave": Style(duck=0.42, room=0.9, saturation=0.35, air=0.6),
    "darkwave": Style(chorus=1.25, duck=0.2, room=1.1, saturation=0.3, air=1.0),
    "industrial": Style(chorus=0.6, duck=0.3, room=0.75, saturation=0.6, air=0.25),
    "chiptune": Style(chorus=0.0, duck=0.0, room=0.35, saturation=0.0, air=0.0),
}


def style_of(name: str) -> Style:
    """The style of a genre; one that we don't know is mixed plainly."""
    return STYLES.get(name, Style())
