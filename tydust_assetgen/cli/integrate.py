"""Commands for what is around a game's music: its build tool and its engine.

They list files, write a depfile, and tell where the integrations are.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from tydust_assetgen.cli.json_types import ListResult, SlotFiles
from tydust_assetgen.cli.output import print_json, project_of
from tydust_assetgen.cli.terminal import say
from tydust_assetgen.errors import AssetgenError
from tydust_assetgen.exports.depfile import CMAKE_DIR, depfile
from tydust_assetgen.generate.registry import parameter_types
from tydust_assetgen.manifest import Manifest, read_manifest
from tydust_assetgen.planning.snapshot import choose
from tydust_assetgen.project.project import Project
from tydust_assetgen.system import read_bounded, write_atomic


def list_files(arguments: argparse.Namespace) -> int:
    """The files that the slots become, without a look at any of them."""
    project = project_of(arguments)
    manifest = read_manifest(project.manifest, parameter_types())
    outputs = _outputs(manifest, arguments.slots)
    if arguments.json:
        result = ListResult(
            manifest=str(manifest.path),
            tree=str(manifest.assets),
            needs=tuple(map(str, manifest.files)),
            slots=tuple(SlotFiles(slot=slot, paths=tuple(paths)) for slot, paths in outputs.items()),
        )
        print_json(result)
        return 0
    for paths in outputs.values():
        for path in paths:
            sys.stdout.write(f"{path}\n")
    return 0


def cmake_dir(arguments: argparse.Namespace) -> int:
    del arguments
    sys.stdout.write(CMAKE_DIR.as_posix() + "\n")
    return 0


def unity_script(arguments: argparse.Namespace) -> int:
    from tydust_assetgen.exports.unity import SCRIPT

    path = Path(arguments.folder) / arguments.folder_ / SCRIPT.name
    data = SCRIPT.read_bytes()
    try:
        if path.exists() and read_bounded(path) != data:
            raise AssetgenError(f"`{path}` was changed: left alone", hint="move it away to get a new one")
        write_atomic(path, data)
    except OSError as error:
        raise AssetgenError(f"can't write `{path}`: {error.strerror or error}") from error
    if not arguments.quiet:
        say(f"wrote {path}")
    return 0


def depfile_of(arguments: argparse.Namespace, project: Project) -> Callable[[], None]:
    """Makes the text of the depfile now, so that its errors come before the work; returns what writes it."""
    if not arguments.depfile:
        return lambda: None
    manifest = read_manifest(project.manifest, parameter_types())
    here, path = Path.cwd(), Path(arguments.depfile).absolute()
    own = [Path(target).absolute() for target in arguments.depfile_target]
    made = own or [manifest.assets / one for paths in _outputs(manifest, arguments.slots).values() for one in paths]
    text = depfile(made, (manifest.path, *manifest.files), here)

    def write() -> None:
        try:
            write_atomic(path, text.encode(), durable=False)
        except OSError as error:
            raise AssetgenError(f"can't write `{path}`: {error.strerror or error}") from error

    return write


def _outputs(manifest: Manifest, slots: list[str]) -> dict[str, list[str]]:
    """Paths in the asset tree by slot."""
    recipes = manifest.resolve(choose(manifest, slots))
    return {recipe.slot: [output.path for output in recipe.outputs] for recipe in recipes}
