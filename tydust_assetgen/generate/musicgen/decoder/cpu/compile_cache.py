"""Keeps what numba compiles in files that are checked before they are used, whoever was killed while writing them.

numba writes an index that says which file holds which function, and then that file. A process that is killed in
between, or two that write at once, leave an index that names another function's file: numba calls it with the wrong
arguments, and every later run crashes. Here there is no index. A file is named by what it holds, says so inside, and
begins with the digest of all that follows: what is cut, damaged or mixed up is compiled again.
"""

from __future__ import annotations

import contextlib
import hashlib
import pickle
from pathlib import Path
from typing import Any

import numba
from numba.core import caching
from numba.core.serialize import dumps

from tydust_assetgen.errors import AssetgenError
from tydust_assetgen.system import write_atomic

_DIGEST_BYTES = 32


class CheckedFiles:
    """Takes the place of numba's `IndexDataCacheFile`.

    Args:
        cache_path: the folder.
        filename_base: names a function and where it stands.
        source_stamp: of the file that it stands in; numba's time and size of it.
    """

    def __init__(self, cache_path: str, filename_base: str, source_stamp: Any) -> None:
        self._folder, self._base, self._stamp = Path(cache_path), filename_base, source_stamp

    def load(self, key: Any) -> Any:
        """What was kept for a key (types, CPU, digest of the code); `None` where it is not here, whole and the right
        one."""
        try:
            data = self._path(key).read_bytes()
        except OSError:
            return None
        digest, rest = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
        if hashlib.sha256(rest).digest() != digest:
            return None
        kept_for, kept = pickle.loads(rest)  # noqa: S301  the user's own file, as with numba's own cache
        return kept if kept_for == key else None

    def save(self, key: Any, data: Any) -> None:
        """Keep it. Where that fails, it is compiled again next time."""
        rest: bytes = dumps((key, data))
        with contextlib.suppress(OSError, AssetgenError):
            write_atomic(self._path(key), hashlib.sha256(rest).digest() + rest, durable=False)

    def flush(self) -> None:
        """Forget all that was kept of this function."""
        for path in self._folder.glob(f"{self._base}.*.checked"):
            path.unlink(missing_ok=True)

    def _path(self, key: Any) -> Path:
        told = repr((numba.__version__, self._stamp, key))
        return self._folder / f"{self._base}.{hashlib.sha256(told.encode()).hexdigest()[:24]}.checked"


def use_checked_files() -> bool:
    """From now on numba keeps functions that are declared in this process in checked files, those of other libraries,
    too. False where this numba has no such place to change."""
    if not hasattr(caching, "IndexDataCacheFile"):
        return False
    caching.IndexDataCacheFile = CheckedFiles
    return True
