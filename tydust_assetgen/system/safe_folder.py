"""A folder that no link leads out of, whatever lies in it: `.assetgen`, a cache on a drive, the asset tree.

Such a folder may come with a clone, or be written to by others. So everything below it is reached through handles of
folders (`openat` with `O_NOFOLLOW`), one name at a time: a link on the way is refused, also one that was put there a
moment ago. Windows has no such handles; there each name on the way is looked at first.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from tydust_assetgen.errors import AssetgenError, StoreError
from tydust_assetgen.system import NO_LINK, TEMPORARY_PREFIX, fill, inside, is_temporary

_IGNORE = ".gitignore"
_IGNORE_TEXT = b"# Made by assetgen for this machine alone, so git ignores all of it. You can delete the folder.\n*\n"
_HANDLES = os.open in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | NO_LINK
_NEVER_WAIT = getattr(os, "O_NONBLOCK", 0)  # a pipe must not hold us up before we know what it is
_JUNCTION = 0xA0000003
"""IO_REPARSE_TAG_MOUNT_POINT."""
_DEEPEST = 8


class LinkError(StoreError):
    """There is a link where only a folder or a file of our own may be."""


class SafeFile(NamedTuple):
    """A plain file in a safe folder."""

    name: str
    """Relative to the folder, with `/`."""
    size: int
    modified_s: float


class _Place(NamedTuple):
    """A name in an open folder: what calls of `os` take as path, and as `dir_fd`."""

    path: str
    folder: int | None


class SafeFolder:
    """Files by their names relative to `root`, such as `store/tmp/x`. Making it touches nothing.

    Args:
        root: the folder. Where it lies is the caller's to say, and may lead over links; what is below may not, nor may
            the last name of `root` itself be one.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, name: str, max_bytes: int) -> bytes | None:
        """A file's content; `None` where there is no such plain file, or a larger one.

        Raises:
            LinkError: there is a link on the way.
            OSError: it can't be read.
        """
        try:
            with self._place(name) as place:
                self._refuse_link(place, name)
                descriptor = os.open(place.path, os.O_RDONLY | _NEVER_WAIT | NO_LINK, dir_fd=place.folder)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._explained(error, name) from error
        with os.fdopen(descriptor, "rb") as file:
            about = os.fstat(descriptor)
            if not stat.S_ISREG(about.st_mode) or about.st_size > max_bytes:
                return None
            data = file.read(about.st_size + 1)  # Python takes so much memory before it reads
        return data if len(data) <= about.st_size else None

    def has(self, name: str) -> bool:
        """Whether there is such a plain file; one behind a link is none."""
        try:
            with self._place(name) as place:
                return stat.S_ISREG(self._stat(place).st_mode)
        except (OSError, LinkError):
            return False

    def size(self, name: str) -> int:
        """Of a plain file, in bytes; 0 where there is none."""
        with contextlib.suppress(OSError, LinkError), self._place(name) as place:
            return self._stat(place).st_size
        return 0

    def write(self, name: str, data: bytes, *, by_way_of: str = "", durable: bool = False) -> None:
        """Put a file under its name, whole or not at all.

        Args:
            name: the final name.
            data: all of the content.
            by_way_of: the folder of the temporary file, below the root; the file's own when not given.
            durable: with fsync, as a power cut must not lose it; what is checked whenever it is read needs none.

        Raises:
            LinkError: there is a link on the way.
            OSError: the disk is full, read-only or gone.
        """
        temporary = f"{TEMPORARY_PREFIX}{os.getpid()}-{os.urandom(8).hex()}"
        folder = by_way_of or name.rpartition("/")[0]
        with (
            self._place(f"{folder}/{temporary}" if folder else temporary, create=True) as first,
            self._place(name, create=True) as last,
        ):
            try:
                fill(_new(first), data, durable=durable)
                os.replace(first.path, last.path, src_dir_fd=first.folder, dst_dir_fd=last.folder)
                if durable and last.folder is not None:
                    os.fsync(last.folder)  # makes the rename itself last
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(first.path, dir_fd=first.folder)
                raise

    def open_to_append(self, name: str, *, empty: bool) -> int:
        """A descriptor for writing at the end of a file, which is made where there is none, and emptied if so asked.

        Raises:
            LinkError: there is a link on the way.
            OSError: it can't be opened, or is no plain file.
        """
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | (os.O_TRUNC if empty else 0) | _NEVER_WAIT | NO_LINK
        try:
            with self._place(name, create=True) as place:
                self._refuse_link(place, name)
                descriptor = os.open(place.path, flags, 0o644, dir_fd=place.folder)
        except OSError as error:
            raise self._explained(error, name) from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(errno.EINVAL, "it is a pipe or a device, not a file")
        return descriptor

    def touch(self, name: str) -> None:
        """Make a file the one that was used last."""
        with self._place(name) as place:
            if _HANDLES:
                os.utime(place.path, dir_fd=place.folder, follow_symlinks=False)
            else:
                os.utime(place.path)

    def move(self, name: str, to: str) -> None:
        """Give a file another name in this folder."""
        with self._place(name) as first, self._place(to, create=True) as last:
            os.replace(first.path, last.path, src_dir_fd=first.folder, dst_dir_fd=last.folder)

    def remove(self, name: str) -> None:
        """Delete a file; it may be gone already. Of a link only the link itself would go."""
        with contextlib.suppress(FileNotFoundError), self._place(name) as place:
            os.unlink(place.path, dir_fd=place.folder)

    def files(self, folder: str, *, deep: bool = True) -> list[SafeFile]:
        """All plain files in a folder of it, and below it if `deep`, in no order; links, and what is behind them, are
        left out.

        Raises:
            LinkError: the folder itself is a link, or lies behind one.
        """
        found: list[SafeFile] = []
        waiting = [folder]
        while waiting:
            here = waiting.pop()
            for entry in self._entries(here):
                name = f"{here}/{entry.name}" if here else entry.name
                with contextlib.suppress(FileNotFoundError):
                    about = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(about.st_mode):
                        found.append(SafeFile(name, about.st_size, about.st_mtime))
                    elif deep and stat.S_ISDIR(about.st_mode) and not _is_link(about) and name.count("/") < _DEEPEST:
                        waiting.append(name)
        return found

    def sweep(self, folder: str = "", *, unused_s: float = 0.0) -> None:
        """Delete what killed processes left half written in one of its folders, not below it.

        Args:
            folder: relative to the root.
            unused_s: what was written in the last so many seconds stays, where others may be writing.
        """
        oldest_s = time.time() - unused_s
        for file in self.files(folder, deep=False):
            if is_temporary(file.name.rpartition("/")[2]) and (not unused_s or file.modified_s < oldest_s):
                self.remove(file.name)

    def prepare(self) -> None:
        """Make the folder, with a `.gitignore` that keeps all of it out of git.

        Raises:
            LinkError: there is a link in its place.
            OSError: it can't be made.
        """
        with self._open_root(create=True):
            pass
        if not self.has(_IGNORE):
            self.write(_IGNORE, _IGNORE_TEXT)

    # how a name is reached

    @contextlib.contextmanager
    def _place(self, name: str, *, create: bool = False) -> Iterator[_Place]:
        """A name below the root, through folders of which none is a link."""
        *folders, last = name.split("/")
        assert last.strip("."), "a file has a name"
        assert ".." not in folders, f"`{name}` leads out"
        with self._open_folder(folders, create=create) as folder:
            yield _Place(last, folder) if isinstance(folder, int) else _Place(os.path.join(folder, last), None)

    @contextlib.contextmanager
    def _open_folder(self, names: list[str], *, create: bool) -> Iterator[int | str]:
        """The handle of a folder below the root, or its path where there are no handles."""
        with self._open_root(create=create) as root:
            here = root
            try:
                for depth in range(len(names)):
                    deeper = _step(here, names[depth], self._path(names[: depth + 1]), create=create)
                    if here is not root and isinstance(here, int):
                        os.close(here)
                    here = deeper
                yield here
            finally:
                if here is not root and isinstance(here, int):
                    os.close(here)

    @contextlib.contextmanager
    def _open_root(self, *, create: bool) -> Iterator[int | str]:
        if create:
            os.makedirs(self.root.parent, exist_ok=True)
        root = _step(None, str(self.root), self.root, create=create)
        try:
            yield root
        finally:
            if isinstance(root, int):
                os.close(root)

    def _entries(self, folder: str) -> Iterator[os.DirEntry[str]]:
        try:
            with (
                self._open_folder(folder.split("/") if folder else [], create=False) as here,
                os.scandir(here) as found,
            ):
                yield from found
        except (FileNotFoundError, NotADirectoryError):
            return

    def _path(self, names: list[str]) -> Path:
        return self.root.joinpath(*names)

    def _stat(self, place: _Place) -> os.stat_result:
        return os.stat(place.path, dir_fd=place.folder, follow_symlinks=False)

    def _refuse_link(self, place: _Place, name: str) -> None:
        """Where `O_NOFOLLOW` does not do it."""
        if place.folder is None and _is_link_at(place.path, None):
            raise _link_error(self.root / name)

    def _explained(self, error: OSError, name: str) -> Exception:
        return _link_error(self.root / name) if error.errno in (errno.ELOOP, errno.EMLINK) else error


def _new(place: _Place) -> int:
    """A descriptor of a file that nobody else has: what stood under its name is deleted, not written into."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(place.path, dir_fd=place.folder)
    return os.open(place.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_LINK, 0o644, dir_fd=place.folder)


def _step(here: int | str | None, name: str, path: Path, *, create: bool) -> int | str:
    """From an open folder into one that lies in it; without handles, from a path to a longer one."""
    folder = here if isinstance(here, int) else None
    name = os.path.join(here, name) if isinstance(here, str) else name
    if create:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, dir_fd=folder)
    if not _HANDLES:
        if _is_link(os.lstat(name)):
            raise _link_error(path)
        return name
    try:
        return os.open(name, _FOLDER, dir_fd=folder)
    except OSError as error:
        if _is_link_at(name, folder):
            raise _link_error(path) from error
        raise


def _is_link_at(name: str, folder: int | None) -> bool:
    """What is wrong is no help to find out: Linux says of a link that no folder lies there."""
    try:
        return _is_link(os.stat(name, dir_fd=folder, follow_symlinks=False))
    except OSError:
        return False


def _is_link(about: os.stat_result) -> bool:
    """A symbolic link, or a junction of Windows. Other reparse points there, such as a file that OneDrive has not
    fetched yet, lead nowhere else."""
    return stat.S_ISLNK(about.st_mode) or getattr(about, "st_reparse_tag", 0) == _JUNCTION


def _link_error(path: Path) -> LinkError:
    return LinkError(
        f"`{path}` is a link: assetgen follows none there, since it could lead to files of yours",
        hint="delete the link; assetgen makes a folder of its own",
    )


def write_inside(tree: Path, relative: str, data: bytes) -> None:
    """Put a file into the asset tree, whole or not at all, and lasting. Links that stay in the tree are followed, up to
    what they led to when they were looked at: what changes after that is refused.

    Raises:
        AssetgenError: it leads out of the tree.
        OSError: the disk is full, read-only or gone.
    """
    folder, name = _really(tree, relative)
    folder.write(name, data, durable=True)


def remove_inside(tree: Path, relative: str) -> None:
    """Delete a file of the asset tree; it may be gone already.

    Raises:
        AssetgenError, OSError: as `write_inside`.
    """
    folder, name = _really(tree, relative)
    folder.remove(name)


def sweep_inside(tree: Path, relatives: Iterable[str]) -> None:
    """Delete what a killed build left half written beside these files. Only called by who holds the build lock."""
    for relative in {f"{relative.rpartition('/')[0]}/x".lstrip("/") for relative in relatives}:
        with contextlib.suppress(OSError, AssetgenError):
            folder, name = _really(tree, relative)
            folder.sweep(name.rpartition("/")[0])


def _really(tree: Path, relative: str) -> tuple[SafeFolder, str]:
    """The tree, and the name in it that `relative` leads to."""
    real_tree = Path(os.path.realpath(tree))
    real = Path(os.path.realpath(inside(tree, relative).parent)) / Path(relative).name
    try:
        return SafeFolder(real_tree), real.relative_to(real_tree).as_posix()
    except ValueError:
        raise _link_error(tree / relative) from None
