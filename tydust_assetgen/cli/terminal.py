"""What goes to a terminal: lines on stderr, in which nothing that came from a file can steer it."""

from __future__ import annotations

import re
import sys

_WORD = re.compile(r"""[^\s"'`]+""")


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
    return _WORD.sub(lambda word: _without_login(word[0]), text) if "@" in text else text


def _without_login(word: str) -> str:
    """Of a word without spaces. Takes time in proportion to its length: a message may quote a whole file."""
    before, *addresses = word.split("//")
    return "//".join([_without_plain_logins(before), *map(_without_login_before_host, addresses)])


def _without_login_before_host(address: str) -> str:
    """Of what follows `https://`. A password may hold `@` and, though no address should have it, a `/`: what stands
    before that is then no host with a port."""
    place, slash, path = address.partition("/")
    if "@" in place:
        return "…@" + place.rpartition("@")[2] + slash + _without_plain_logins(path)
    port = place.rpartition(":")[2]
    if "@" in path and port != place and not port.isdigit() and not place.endswith("]"):
        return "…@" + address.rpartition("@")[2]
    return place + slash + _without_plain_logins(path)


def _without_plain_logins(text: str) -> str:
    """Of `user:password@host` between slashes. What has an `@` alone stays: an e-mail address, `icon@2x.png`."""
    return "/".join(map(_without_plain_login, text.split("/")))


def _without_plain_login(part: str) -> str:
    head, _, host = part.rpartition("@")
    user, colon, _ = head.lstrip(":").partition(":")
    return f"…@{host}" if colon and user else part
