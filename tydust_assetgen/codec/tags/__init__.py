"""Tags and loop points inside encoded files, and how much of them is read.

Tags may come from anywhere, and each piece costs many times its size in memory. A cover picture still passes.
"""

from __future__ import annotations

from tydust_assetgen.errors import CodecError

MOST_BYTES = 32 * 1024 * 1024
MOST_PIECES = 4096
"""Comments, frames, chunks, boxes or metadata blocks."""


def refuse_large(size_bytes: int) -> None:
    """Refuse tags that are larger than `MOST_BYTES` altogether."""
    if size_bytes > MOST_BYTES:
        raise CodecError(f"its tags are larger than {MOST_BYTES // 2**20} MB")


def refuse_many(count: int) -> None:
    """Refuse more than `MOST_PIECES`."""
    if count > MOST_PIECES:
        raise CodecError(f"there are more than {MOST_PIECES} tags in it")
