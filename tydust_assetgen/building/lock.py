"""The lock that every command holds while it writes to a project's private folder."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from tydust_assetgen import system
from tydust_assetgen.errors import StoreError
from tydust_assetgen.project.project import Project


@contextlib.contextmanager
def locked(project: Project, *, wait: bool = True, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock of a project, whose private folder is one that was made here.

    Raises:
        BusyError: another command holds it and `wait` is false.
        StoreError: the folder came with a clone, is a link, or can't be written to.
    """
    _refuse_tracked(project)
    with system.build_lock(project.private, wait=wait, on_wait=on_wait):
        yield


def _refuse_tracked(project: Project) -> None:
    """A private folder that git tracks came with the clone, and may hold anything."""
    if not project.private.is_dir() or not any((folder / ".git").exists() for folder in project.manifest.parents):
        return
    from tydust_assetgen.git_hook.git import tracks

    name = project.private.name
    if tracks(str(project.root), name):
        hint = f"`git rm -r --cached --quiet {name}`, and delete the folder if you don't know who filled it"
        raise StoreError(f"`{name}` is tracked by git: what came with a clone is not trusted as a store", hint=hint)
