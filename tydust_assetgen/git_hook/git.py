"""Asks git what is staged: the entries of its index, the paths that a commit changes, and blobs.

git is asked through its plumbing, with NUL between names, and a handful of processes however many files there are. Its
environment (`GIT_DIR`, `GIT_INDEX_FILE`) is handed on: `git commit FILE` has an index of its own.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from types import TracebackType
from typing import IO, NamedTuple

from tydust_assetgen.errors import AssetgenError, UsageError

_CHUNK_BYTES = 1 << 20
_LINK = "120000"
_SUBMODULE = "160000"
_PATHSPEC_MODES = ("GIT_LITERAL_PATHSPECS", "GIT_GLOB_PATHSPECS", "GIT_NOGLOB_PATHSPECS", "GIT_ICASE_PATHSPECS")


class Entry(NamedTuple):
    """A file in the index."""

    blob: str
    """Name of its content in git; empty while a merge has not settled it."""
    mode: str

    @property
    def trouble(self) -> str:
        """Why it is no plain file; empty when it is one."""
        if not self.blob:
            return "a merge has left it in conflict"
        return {_LINK: "it is staged as a link", _SUBMODULE: "it is staged as a submodule"}.get(self.mode, "")


class Repository(NamedTuple):
    """One look at a repository that is about to commit."""

    top: str
    """The working tree's folder, absolute."""
    private: str
    """Git's own folder, which all worktrees share and no clone carries."""
    changed: frozenset[str]
    """Paths that differ from the last commit, or all where there is none; relative to `top`, as all paths here."""
    texts: Mapping[str, Entry]
    """Every `.toml` and `.lock` file in the index."""


def look(folder: str) -> Repository:
    """What is staged in the repository that `folder` lies in. Asks three things at once.

    Raises:
        UsageError: there is no repository, or only a bare one.
        AssetgenError: there is no git, or it fails.
    """
    asked = (
        ("rev-parse", "--show-toplevel", "--git-common-dir"),
        ("diff", "--cached", "--name-only", "-z", "--no-renames", "--no-ext-diff", "--no-relative"),
        ("ls-files", "-s", "-z", "--full-name", "--", ":(top,glob)**/*.toml", ":(top,glob)**/*.lock"),
    )
    places, changed, texts = _together(folder, asked)
    if places.count(b"\n") == 2:
        top, private = map(os.fsdecode, places[:-1].split(b"\n"))
    else:  # a folder with a new line in its name: each by itself
        top, private = (
            os.fsdecode(run(folder, "rev-parse", word)[:-1]) for word in ("--show-toplevel", "--git-common-dir")
        )
    return Repository(
        top=os.path.abspath(top),
        private=os.path.abspath(os.path.join(folder, private)),
        changed=frozenset(os.fsdecode(path) for path in changed.split(b"\0") if path),
        texts=_entries(texts),
    )


def entries(folder: str, paths: Iterable[str]) -> dict[str, Entry]:
    """The index's entries at these paths: files, or folders with all that is below."""
    specs = [f":(top,literal){path}" if path else ":(top)" for path in paths]
    return _entries(run(folder, "ls-files", "-s", "-z", "--full-name", "--", *specs)) if specs else {}


def tracks(folder: str, path: str) -> bool:
    """Whether git has something below `path`, relative to `folder`, in its index. False where there is no repository or
    no git."""
    try:
        return bool(run(folder, "ls-files", "-z", "--", f":(literal){path}"))
    except AssetgenError:
        return False


def ignored(folder: str, paths: Iterable[str]) -> frozenset[str]:
    """Those of these paths (absolute) that `.gitignore` keeps out."""
    asked = b"\0".join(map(os.fsencode, paths))
    done = _start(folder, ("check-ignore", "-z", "--stdin", "--no-index"), subprocess.PIPE)
    found, _ = done.communicate(asked)
    return frozenset(os.fsdecode(path) for path in found.split(b"\0") if path)


def filtered(folder: str, path: str, blob: str) -> bytes:
    """A blob as git would write it to the disk, after the filters that `.gitattributes` sets for its path."""
    return run(folder, "cat-file", "--filters", f"--path={path}", blob)


def run(folder: str, *words: str) -> bytes:
    """What one git command prints.

    Raises:
        UsageError, AssetgenError: see `look`.
    """
    (printed,) = _together(folder, (words,))
    return printed


class Blobs:
    """A `git cat-file --batch` that is started when it is first asked, and stays open. Use it in a `with`."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def __enter__(self) -> Blobs:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if "_git" not in self.__dict__:
            return
        if kind:
            self._git.kill()
        with contextlib.suppress(BrokenPipeError):
            self._to.close()
        self._from.close()
        self._git.wait()

    @cached_property
    def _git(self) -> subprocess.Popen[bytes]:
        return _start(self._folder, ("cat-file", "--batch"), subprocess.PIPE, subprocess.DEVNULL)

    @property
    def _to(self) -> IO[bytes]:
        assert self._git.stdin
        return self._git.stdin

    @property
    def _from(self) -> IO[bytes]:
        assert self._git.stdout
        return self._git.stdout

    def read(self, blob: str, max_bytes: int) -> bytes:
        """The content of a blob, or one byte more than allowed of a larger one."""
        data = bytearray()
        for chunk in self.chunks(blob):
            data += chunk[: max_bytes + 1 - len(data)]
        return bytes(data)

    def chunks(self, blob: str) -> Iterator[bytes]:
        """The content of a blob, piece by piece; must be read to its end.

        Raises:
            AssetgenError: git does not have it, such as in a partial clone that is offline.
        """
        self._to.write(blob.encode() + b"\n")
        self._to.flush()
        head = self._from.readline().split()
        if len(head) != 3 or head[1] != b"blob":
            raise AssetgenError(f"git has no content for `{blob}`", hint="`git fsck` looks for what is missing")
        left = int(head[2])
        while left:
            data = self._from.read(min(left, _CHUNK_BYTES))
            if not data:
                raise AssetgenError(
                    f"git stopped in the middle of `{blob}`", hint="`git fsck` looks for what is broken"
                )
            left -= len(data)
            yield data
        self._from.read(1)


def _together(folder: str, commands: Iterable[tuple[str, ...]]) -> list[bytes]:
    """What several git commands print that run side by side."""
    started = [_start(folder, words) for words in commands]
    done = [each.communicate() for each in started]
    for each, (_, said) in zip(started, done, strict=True):
        if each.returncode:
            _explain(said.decode("utf-8", "replace").strip())
    return [printed for printed, _ in done]


def _start(
    folder: str, words: tuple[str, ...], stdin: int = subprocess.DEVNULL, stderr: int = subprocess.PIPE
) -> subprocess.Popen[bytes]:
    environment = {name: value for name, value in os.environ.items() if name not in _PATHSPEC_MODES}
    environment |= {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        return subprocess.Popen(
            ["git", *words], cwd=folder, env=environment, stdin=stdin, stdout=subprocess.PIPE, stderr=stderr
        )
    except FileNotFoundError:
        if not os.path.isdir(folder):
            raise UsageError(f"there is no folder `{folder}`") from None
        raise AssetgenError(
            "there is no `git` on the PATH", hint="install git, or put its folder on the PATH"
        ) from None


def _explain(said: str) -> None:
    if "not a git repository" in said:
        raise UsageError("this is no git repository", hint="`git init` makes one")
    if "must be run in a work tree" in said:
        raise UsageError("this repository has no working tree", hint="go to where its files are")
    if "dubious ownership" in said:
        hint = "`git status` says how to trust it"
        raise UsageError("git does not trust this repository: it belongs to somebody else", hint=hint)
    raise AssetgenError(
        f"git fails: {said.splitlines()[-1] if said else 'it does not say why'}", hint="try `git status`"
    )


def _entries(listed: bytes) -> dict[str, Entry]:
    """The lines of `git ls-files -s -z`: mode, blob, stage, a tab, the path."""
    found = {}
    for line in os.fsdecode(listed).split("\0")[:-1]:
        about, _, path = line.partition("\t")
        mode, blob, stage = about.split(" ")
        found[path] = Entry(blob if stage == "0" else "", mode)
    return found
