"""Names of files that belong to a manifest."""

from __future__ import annotations

from tydust_assetgen.git_hook.git import Repository

MANIFEST_NAME = "assets.toml"
PRIVATE = ".assetgen"
SIDECAR = ".import"
EXPORT_NAMES = frozenset(
    {"assetgen.unity.json", "music.h", "music.hpp", "Music.cs", "music.gd", "music.rs", "music.py"}
)
"""Exports whose names need not stand in the manifest."""


def lock_of(manifest: str) -> str:
    """The path of a manifest's lock file."""
    return manifest.removesuffix(".toml") + ".lock"


def text_blobs(repository: Repository, place: str) -> tuple[str, ...]:
    """The blobs of a manifest and of its lock file."""
    entries = (repository.texts.get(path) for path in (place, lock_of(place)))
    return tuple(entry.blob if entry and not entry.trouble else "-" for entry in entries)
