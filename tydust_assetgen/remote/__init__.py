"""Reads and writes caches elsewhere: a folder, an HTTP server, a bucket, or a machine with SSH.

Nothing here knows what the bytes are: `cache` does. For another kind of remote, write a class that satisfies
`remote.Transport`, name its scheme in `address`, and open it in `remote.open_transport`. What a remote gives is not
trusted. To read a manifest, only `address` is loaded; each kind of remote brings its own library when it is used.
"""

from __future__ import annotations

import re

_TELLING = re.compile(r"\S*[@?=&]\S*")
"""Words of a library's message in which a user, a query or a token could stand."""


class RemoteError(Exception):
    """The remote does not do what a remote must: it is off for this build."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


class DistrustError(RemoteError):
    """One thing that it holds is not what its name says: a miss."""


def words_of(error: BaseException) -> str:
    """What a library or the system says, in one short line with nothing secret in it."""
    if isinstance(error, RemoteError):
        return error.message
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    message = _TELLING.sub("…", next(iter(str(error).splitlines()), ""))[:120]
    kind = type(error).__name__
    return f"{kind}: {message}" if message else kind
