"""What there is of a project's slots, here and on each remote."""

from __future__ import annotations

import queue

import msgspec

from tydust_assetgen.cache.config import Settings
from tydust_assetgen.cache.download import AT_ONCE, Downloader
from tydust_assetgen.cache.records import Kind, size_of
from tydust_assetgen.planning.plan import Plan
from tydust_assetgen.project.project import Project
from tydust_assetgen.remote.remote import Remote, side_by_side
from tydust_assetgen.store import digest_in


class RemoteOverview(msgspec.Struct, frozen=True, kw_only=True):
    """One remote."""

    address: str
    hits: int
    """Records that it has."""
    misses: int
    content_bytes: int
    """Of what these records name."""
    trouble: str = ""


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """The store and the remotes, as far as they concern these slots."""

    records: int
    """How many there would be if everything was there: the files of each slot, and its take."""
    store_hits: int
    store_bytes: int
    """Of all that is in the store, also of older builds."""
    read_only: bool
    signed: bool
    remotes: tuple[RemoteOverview, ...]


def overview(project: Project, plan: Plan, settings: Settings) -> Overview:
    """Ask for everything; nothing is fetched but records."""
    store = project.store
    keys = [step.keys for step in plan.steps]
    names: list[tuple[Kind, str]] = [("outputs", key) for each in keys for key in each.outputs]
    names = list(dict.fromkeys([*names, *(("takes", each.take) for each in keys)]))
    return Overview(
        records=len(names),
        store_hits=sum(store.has(kind, key) for kind, key in names),
        store_bytes=store.size(),
        read_only=settings.read_only,
        signed=bool(settings.secret),
        remotes=tuple(_of_remote(project, settings, index, names) for index in range(len(settings.remotes))),
    )


def _of_remote(project: Project, settings: Settings, index: int, names: list[tuple[Kind, str]]) -> RemoteOverview:
    said: queue.SimpleQueue[str] = queue.SimpleQueue()
    address = settings.remotes[index]
    remote = Remote(address, project.root, settings.timeout_s, lambda message, _: said.put(message))
    downloader = Downloader(project.store, (remote,), settings.secret)
    found = side_by_side(lambda name: downloader.trusted_record(remote, *name), names, AT_ONCE)
    sizes = [{digest_in(one.record): size_of(one.record)} for one in found if one is not None]
    contents = {digest: size for one in sizes for digest, size in one.items()}
    return RemoteOverview(
        address=address.shown,
        hits=len(sizes),
        misses=len(names) - len(sizes),
        content_bytes=sum(contents.values()),
        trouble="" if said.empty() else said.get(),
    )
