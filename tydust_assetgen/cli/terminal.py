"""What goes to a terminal: lines on stderr, in which nothing that came from a file can steer it."""

from __future__ import annotations

import re
import sys

_LOGIN = re.compile(r"""[^\s/@:"'`]+:[^\s/@"'`]*@(?=[\w\[])|(?<=//)[^\s/@"'`]+@""")


def say(text: str) -> None:
    """Print on stderr, with a line's end."""
    sys.stderr.write(escaped(text) + "\n")


def escaped(text: str) -> str:
    """The same lines, with each character that steers a terminal, or hides, written out: `\\\\x1b`, `\\\\u202e`.

    Names, tags and messages come from files that anyone may have written, and terminals obey what they are shown.
    """
    text = redacted(text)
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one == "\n" else ascii(one)[1:-1] for one in text)


def redacted(text: str) -> str:
    """Without what looks like the user and the password of an address, whoever put them there."""
    return _LOGIN.sub("…@", text) if "@" in text else text
