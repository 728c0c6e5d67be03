"""argparse with messages in our form: what is wrong, and what was probably meant."""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from tydust_assetgen.cli.terminal import say

_NO_CHOICE = re.compile(
    r"argument (?P<what>[^:]+): invalid choice: (?P<said>'.*?'|\".*?\") \(choose from (?P<known>.*)\)"
)


class ArgumentParser(argparse.ArgumentParser):
    """Never guesses: a near word is named, and nothing is run."""

    def __init__(self, **more: Any) -> None:
        super().__init__(allow_abbrev=False, **more)

    def parse_args(  # type: ignore[override]  # typeshed has two forms of it
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> Any:
        found, extra = self.parse_known_args(args, namespace)
        if extra:
            command = getattr(found, "parser_", self)
            command.error(_unknown_option(extra, command.options()))
        return found

    def options(self) -> list[str]:
        """All options that this command has, by the names that are typed."""
        return [name for action in self._actions for name in action.option_strings]

    def error(self, message: str) -> NoReturn:
        what, _, hint = _in_words(message).partition("\n")
        say(f"error: {what}")
        say(f"  hint: {hint or f'`{self.prog} --help` shows how'}")
        sys.exit(2)


def nearest(said: str, known: Iterable[str]) -> str:
    """`did you mean …?`; empty where nothing is near. The dashes of options are no likeness."""
    bare = {name.lstrip("-"): name for name in known}
    near = difflib.get_close_matches(said.lstrip("-"), bare, n=1, cutoff=0.6)
    return f"did you mean `{bare[near[0]]}`?" if near else ""


def _unknown_option(extra: list[str], known: list[str]) -> str:
    said = next((word for word in extra if word.startswith("-")), extra[0])
    if not said.startswith("-"):
        return f"`{said}` is one word too many"
    return f"there is no option `{said}` here\n{nearest(said.partition('=')[0], known)}".rstrip("\n")


def _in_words(message: str) -> str:
    """argparse's own message, where we have a better one."""
    found = _NO_CHOICE.fullmatch(message)
    if not found:
        return message
    said, known = found["said"][1:-1], re.findall(r"[\w.-]+", found["known"])
    if found["what"] == "COMMAND":
        hint = nearest(said, known) or "`assetgen help` lists them all"
        return f"there is no command `{said}`\n{hint}"
    return f"`{found['what']}` can't be `{said}`\n" + (nearest(said, known) or f"one of {', '.join(known)}")
