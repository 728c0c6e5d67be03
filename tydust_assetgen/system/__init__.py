"""Writes files so that each is old or new and never half; also digests, the build lock and the number of cores.

Everything that writes to the disk goes through here. The order is always the same: temporary file in the target's own
directory, write, fsync, rename, fsync the directory.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from tydust_assetgen.errors import AssetgenError, BusyError, StoreError

TEMPORARY_PREFIX = ".assetgen-tmp-"
MAX_BYTES = 4 << 30
"""No sound of ours is larger, and no memory is meant for one that is."""
NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
"""How a file of ours is opened: bytes as they are, and not over a link, where the system can refuse one."""
_CHUNK_BYTES = 1 << 20


def digest_bytes(data: bytes) -> str:
    """SHA-256, hexadecimal: the digest that Git LFS uses as well, so that its pointers can be compared."""
    return hashlib.sha256(data).hexdigest()


def digest_file(path: Path) -> str:
    """SHA-256 of a file's content, read in chunks; empty when there is no such file.

    Raises:
        OSError: it can't be read, or is a pipe or a device, which may never end.
    """
    hasher = hashlib.sha256()
    try:
        _refuse_endless(path)
        with open(path, "rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                hasher.update(chunk)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return ""
    return hasher.hexdigest()


def read_bounded(path: Path, max_bytes: int = MAX_BYTES) -> bytes:
    """A file's content. Whatever a person, a clone or another program may have put there is read by this.

    Raises:
        OSError: it can't be read, is larger, or is no plain file.
    """
    _refuse_endless(path)
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(min(size, max_bytes) + 1)  # Python takes so much memory before it reads
    if len(data) > min(size, max_bytes):
        raise OSError(errno.EFBIG, "it is too large" if size >= max_bytes else "it grows while it is read")
    return data


def _refuse_endless(path: Path) -> None:
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise OSError(errno.EINVAL, "it is a pipe or a device, not a file")


def write_atomic(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Put `data` under `path`, whole or not at all.

    Args:
        path: the final name.
        data: all of the content.
        durable: False leaves out the two fsyncs, for what is checked against its digest whenever it is read.

    Raises:
        OSError: the disk is full, read-only, or gone. The old file, if any, is untouched.
    """
    os.makedirs(path.parent, exist_ok=True)
    name = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    temporary = path.parent / f"{TEMPORARY_PREFIX}{os.getpid()}-{name}"
    try:
        fill(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | NO_LINK, 0o644), data, durable=durable)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    if durable:
        _sync_directory(path.parent)


def fill(descriptor: int, data: bytes, *, durable: bool) -> None:
    """Write all of `data` to an open file, to the disk itself if `durable`, and close it.

    Raises:
        OSError: the disk is full or gone.
    """
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_directory(path: Path) -> None:
    """Make the rename itself last. Windows can't open directories, and needs no such thing."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Delete a file; it may be gone already."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def is_temporary(name: str) -> bool:
    """Whether a file is called as we call what we write to before it has its name."""
    rest = name.removeprefix(TEMPORARY_PREFIX)
    return rest != name and 0 < len(rest) <= 60 and not rest.strip("0123456789abcdef-")


def inside(tree: Path, relative: str) -> Path:
    """The path of `relative` in `tree`, after a look at where symbolic links really lead.

    Raises:
        AssetgenError: it leads out of the tree.
    """
    path = tree / relative
    real_parent = Path(os.path.realpath(path.parent))
    real_tree = Path(os.path.realpath(tree))
    if real_parent != real_tree and real_tree not in real_parent.parents:
        raise AssetgenError(f"`{relative}` leads out of the asset tree", hint="remove the symbolic link on its way")
    return path


@contextlib.contextmanager
def build_lock(directory: Path, *, wait: bool, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold the lock of one project. The system frees the lock when its holder dies, so it never needs a hand.

    Raises:
        BusyError: another build holds it and `wait` is false.
        StoreError: the lock file can't be made, or `directory` is a link.
    """
    from filelock import FileLock, Timeout

    from tydust_assetgen.system.safe_folder import SafeFolder

    try:
        SafeFolder(directory).prepare()
        lock = FileLock(directory / "build.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if not wait:
                raise BusyError("another build is at work here", hint="leave out `--no-wait` to wait for it") from None
            on_wait()
            lock.acquire(poll_interval=0.05)
    except OSError as error:
        raise StoreError(f"can't lock `{directory}`: {error.strerror or error}") from error
    try:
        yield
    finally:
        lock.release()


def cores() -> int:
    """CPUs that this process may run on, 1 or more. On Linux `taskset` and a container's set of CPUs count."""
    given = getattr(os, "sched_getaffinity", None)
    return len(given(0)) if given else os.cpu_count() or 1
