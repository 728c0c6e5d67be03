"""Where a project's files are: manifest, lock file, store, state and asset tree."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tydust_assetgen.errors import UsageError
from tydust_assetgen.store import Store
from tydust_assetgen.system.safe_folder import SafeFolder

MANIFEST_NAME = "assets.toml"


@dataclass(frozen=True)
class Project:
    """One manifest and what stands beside it. All paths are absolute."""

    manifest: Path

    @classmethod
    def at(cls, folder: Path | str = ".", manifest: Path | str = MANIFEST_NAME) -> Project:
        """The project whose manifest is `folder / manifest`.

        Raises:
            UsageError: the path can't be one of a manifest.
        """
        path = Path(os.path.abspath(Path(folder) / manifest))
        if path.suffix == ".lock":
            raise UsageError(f"`{path.name}` is the name of a lock file", hint="give the manifest another name")
        try:
            str(path).encode()
        except UnicodeEncodeError:
            raise UsageError(f"the path of this project is not UTF-8: {path!a}", hint="rename its folder") from None
        return cls(path)

    @property
    def root(self) -> Path:
        return self.manifest.parent

    @property
    def lock_file(self) -> Path:
        return self.manifest.with_suffix(".lock")

    @property
    def private(self) -> Path:
        """What git ignores: store, state, logs."""
        return self.root / ".assetgen"

    @property
    def private_folder(self) -> SafeFolder:
        """The same, as what we write to and delete from."""
        return SafeFolder(self.private)

    @property
    def state(self) -> Path:
        return self.private / f"{self.manifest.stem}.state"

    @property
    def logs(self) -> Path:
        return self.private / "logs"

    @property
    def rates(self) -> Path:
        """How fast each generator was here, for estimates."""
        return self.private / "rates.json"

    @property
    def store(self) -> Store:
        return Store(self.private / "store")
