"""A folder of TOML files as a mapping: each file becomes an object of one type, and is read when it is first asked for.

The name of an object is its file's name without `.toml`. So a new style or instrument is a new file, and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tydust_assetgen.errors import GenerationError

_T = TypeVar("_T", bound=msgspec.Struct)


class TomlFolder(Mapping[str, _T]):
    """Objects by name. Their type has a field `name`, which no file states.

    Asking for a name raises `KeyError` where there is no such file, and `GenerationError` where the file is not right.
    """

    def __init__(self, folder: Path, type_: type[_T]) -> None:
        self._folder, self._type = folder, type_
        self._objects: dict[str, _T] = {}

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(sorted(name[:-5] for name in os.listdir(self._folder) if name.endswith(".toml")))

    def __getitem__(self, name: str) -> _T:
        if name not in self._objects:
            if name not in self._names:
                raise KeyError(name)
            self._objects[name] = read_toml(self._folder / f"{name}.toml", self._type)
        return self._objects[name]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def read_toml(path: Path, type_: type[_T]) -> _T:
    """The object that a file describes, with the file's name as its `name`.

    Raises:
        GenerationError: it is no TOML, or a field is missing, unknown or of another type.
    """
    import tomli

    try:
        table: dict[str, Any] = tomli.loads(path.read_text(encoding="utf-8"))
        return msgspec.convert({**table, "name": path.stem}, type_)
    except (OSError, ValueError) as error:  # also of TOML, UTF-8 and msgspec
        raise GenerationError(f"this file can't be used: {error}", place=str(path)) from error
