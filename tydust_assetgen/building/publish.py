"""Publishing: a verified file gets its final name in the asset tree.

The file appears whole or not at all, and
never in place of something that came there after the plan was made.
"""

from __future__ import annotations

from pathlib import Path

from tydust_assetgen.errors import AssetgenError
from tydust_assetgen.flow import Published, Verified
from tydust_assetgen.system import digest_bytes, digest_file, inside
from tydust_assetgen.system.safe_folder import remove_inside, write_inside


def publish(verified: Verified, data: bytes, tree: Path, *, seen_digest: str) -> Published:
    """Write one file. `seen_digest` is what stood there when the plan was made; empty for nothing.

    Raises:
        AssetgenError: the file has changed meanwhile, leads out of the tree, or can't be written.
    """
    assert digest_bytes(data) == verified.digest, "only what was verified is published"
    path = inside(tree, verified.output.path)
    if path.is_dir():
        raise AssetgenError(f"`{verified.output.path}` is a folder", hint="move it away, or rename the slot")
    if digest_file(path) not in (seen_digest, verified.digest):
        hint = "`assetgen adopt SLOT` keeps your file, `assetgen build --force SLOT` makes it again"
        raise AssetgenError(f"`{verified.output.path}` was modified while its track was made: left alone", hint=hint)
    try:
        write_inside(tree, verified.output.path, data)
    except OSError as error:
        raise AssetgenError(f"can't write `{verified.output.path}`: {error.strerror or error}") from error
    return Published(path=verified.output.path, digest=verified.digest, size=verified.size, sound=verified.sound)


def retract(tree: Path, path: str, *, digest: str) -> bool:
    """Remove a file that the manifest no longer asks for, if it is still the one that was published."""
    target = inside(tree, path)
    try:
        if digest_file(target) not in ("", digest):
            return False
        remove_inside(tree, path)
    except OSError as error:
        raise AssetgenError(f"can't remove `{path}`: {error.strerror or error}") from error
    return True
