"""The keys: digests of everything that decides a performance, a master and an encoded file.

The `Keys` of a `Recipe` include what its generator adds. They nest, so that whatever changes the
performance changes the master, and whatever changes the master changes each file, but never the other way round.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec

from tydust_assetgen.flow import Brief, Output, Recipe, Scalar
from tydust_assetgen.project.seeds import candidates


class Versions(msgspec.Struct, frozen=True, kw_only=True):
    """Versions of what works on a track: each goes up when its part would make other bytes of the same recipe."""

    generator: str
    finish: str
    codec: str
    scoring: str = ""
    """Empty where there is nothing to choose from."""


class Keys(msgspec.Struct, frozen=True, kw_only=True):
    """SHA-256 digests, hexadecimal. `outputs` stands in the order of the recipe's outputs."""

    take: str
    """Of the one take, or of the picked one; of several, it stands for whichever is the best."""
    master: str
    outputs: tuple[str, ...]
    candidates: tuple[str, ...] = ()
    """The take keys of all takes, in the order of their numbers."""


def keys_of(recipe: Recipe, versions: Versions, key_parameters: Mapping[str, Scalar]) -> Keys:
    """The keys of one recipe. Equal recipes have equal keys on every machine."""
    more = (versions.generator, dict(key_parameters))
    brief = recipe.brief
    each = tuple(_digest("take", msgspec.Raw(performance(one)), *more) for one in candidates(brief))
    if brief.takes > 1 and not brief.pick:
        take = _digest("best take", msgspec.Raw(performance(brief)), brief.takes, *more, versions.scoring)
    else:
        take = each[max(brief.pick, 1) - 1]
    master = _digest("master", take, recipe.finish, versions.finish)
    outputs = tuple(output_key(master, output, recipe.title, recipe.game, versions.codec) for output in recipe.outputs)
    return Keys(take=take, master=master, outputs=outputs, candidates=each)


def performance(brief: Brief) -> bytes:
    """What decides how one take sounds, as JSON: not how many takes there are, nor what a file to hear is called."""
    plain = msgspec.to_builtins(brief, order="deterministic")
    del plain["takes"], plain["pick"]
    names = {heard.path: heard.digest for heard in brief.references}
    plain["references"] = [heard.digest for heard in brief.references]
    plain["parameters"] = {
        name: names.get(value, value) if isinstance(value, str) else value
        for name, value in plain["parameters"].items()
    }
    return msgspec.json.encode(plain)


def output_key(master: str, output: Output, title: str, game: str, codec: str) -> str:
    """The key of one file. Where it lies does not enter."""
    return _digest("output", master, msgspec.structs.replace(output, path=""), title, game, codec)


def _digest(kind: str, *parts: object) -> str:
    return hashlib.sha256(msgspec.json.encode([kind, *parts], order="deterministic")).hexdigest()
