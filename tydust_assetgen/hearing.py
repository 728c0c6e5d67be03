"""Sounds for the generator's shelf. In walks a list of what is to be heard, out walks the `Shelf`, decoded.

The files may come from anywhere: they are held against the digest that was planned with, and `codec.decode` believes
nothing and stops at ten minutes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tydust_assetgen import codec
from tydust_assetgen.disk import digest_bytes
from tydust_assetgen.errors import GenerationError
from tydust_assetgen.generate.protocol import Shelf
from tydust_assetgen.jobs import Heard, ShelfList
from tydust_assetgen.manifest import SLOT
from tydust_assetgen.store import Store

if TYPE_CHECKING:
    from tydust_assetgen.audio import Audio

MAX_DURATION_S = 600.0


def shelf_of(listed: ShelfList, store: Store) -> Shelf:
    """The shelf, with all its sounds.

    Raises:
        GenerationError: a sound is gone, or is no longer the one that was planned with.
        CodecError: a file that can't be decoded.
    """
    return Shelf(Path(listed.root), {heard.digest: _sound(heard, store) for heard in listed.heard})


def _sound(heard: Heard, store: Store) -> Audio:
    if heard.name.startswith(SLOT) and (take := store.take(heard.digest)) is not None:
        return take.audio
    try:
        data = Path(heard.place).read_bytes()
    except OSError as error:
        raise GenerationError(f"`{heard.name}` can't be read: {error.strerror or error}", hint=_hint(heard)) from error
    if digest_bytes(data) != heard.file_digest:
        raise GenerationError(f"`{heard.name}` is not what it was when the build began", hint=_hint(heard))
    kind = codec.codec_of(heard.place)
    assert kind, "the manifest takes names of sound files only"
    return codec.decode(data, kind, max_duration_s=MAX_DURATION_S).audio


def _hint(heard: Heard) -> str:
    slot = heard.name.removeprefix(SLOT)
    return f"`assetgen build --force {slot}` makes it again" if slot != heard.name else "build again"
