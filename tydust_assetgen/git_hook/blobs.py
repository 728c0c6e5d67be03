"""What a blob stands for. In walk its bytes, out walks their digest, or that of the file to which Git LFS points."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from tydust_assetgen.git_hook.memo import Content

_POINTER_MAX_BYTES = 1024
"""A Git LFS pointer is smaller (its specification, docs/spec.md)."""
_POINTER = re.compile(rb"version https?://\S+\n(?:ext-\S+ \S+\n)*oid sha256:([0-9a-f]{64})\nsize \d{1,15}\n")


def content_of(chunks: Iterable[bytes]) -> Content:
    """What a blob with these bytes stands for."""
    hasher, head, size = hashlib.sha256(), b"", 0
    for chunk in chunks:
        hasher.update(chunk)
        head, size = head or chunk, size + len(chunk)
    pointer = _POINTER.fullmatch(head) if size <= _POINTER_MAX_BYTES else None
    return Content(pointer[1].decode(), pointer=True) if pointer else Content(hasher.hexdigest(), pointer=False)
