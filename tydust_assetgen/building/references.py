"""References: decodes the sounds that a generator is to follow, and puts them on its shelf.

The files may come from anywhere: they are held against the digest that was planned with, and the decoders believe
nothing and stop at ten minutes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tydust_assetgen import codec
from tydust_assetgen.building.messages import ReferenceFile, ShelfContents
from tydust_assetgen.errors import CodecError, GenerationError
from tydust_assetgen.generate.protocol import Shelf
from tydust_assetgen.manifest import SLOT
from tydust_assetgen.store import Store
from tydust_assetgen.system import digest_bytes, read_bounded

if TYPE_CHECKING:
    from tydust_assetgen.audio import Audio

MAX_DURATION_S = 600.0


def shelf_of(listed: ShelfContents, store: Store) -> Shelf:
    """The shelf, with all its sounds.

    Raises:
        GenerationError: a sound is gone, is no longer the one that was planned with, or can't be decoded.
    """
    return Shelf(Path(listed.root), {reference.digest: _sound(reference, store) for reference in listed.files})


def _sound(reference: ReferenceFile, store: Store) -> Audio:
    if reference.name.startswith(SLOT) and (take := store.take(reference.digest)) is not None:
        return take.audio
    data = _data(reference, store)
    try:
        return codec.decode_reference(data, reference.place, max_duration_s=MAX_DURATION_S)
    except CodecError as error:
        problem = error.problems[0]
        raise GenerationError(f"`{reference.name}` can't be reference: {problem.message}", hint=problem.hint) from error


def _data(reference: ReferenceFile, store: Store) -> bytes:
    """The bytes of a file, which for a slot the store may have as well."""
    slot = reference.name.removeprefix(SLOT)
    of_slot = slot != reference.name
    if of_slot and (kept := store.read_object(reference.file_digest)) is not None:
        return kept
    if not reference.file_digest:
        words = f"`{slot}`, which it follows, is not there as the manifest asks for it"
        raise GenerationError(words, hint=f"`assetgen build {slot}` makes it, or says why not")
    hint = f"`assetgen build {slot}` says what is to be done" if of_slot else "build again"
    try:
        data = read_bounded(Path(reference.place), codec.MAX_BYTES)
    except OSError as error:
        raise GenerationError(f"`{reference.name}` can't be read: {error.strerror or error}", hint=hint) from error
    if digest_bytes(data) != reference.file_digest:
        raise GenerationError(f"`{reference.name}` is not what it was when the build began", hint=hint)
    return data
