"""What MusicGen can't do of a brief."""

from __future__ import annotations

from tydust_assetgen.errors import Problem
from tydust_assetgen.flow import Brief
from tydust_assetgen.generate.protocol import Shelf


def problems(brief: Brief, shelf: Shelf) -> tuple[Problem, ...]:
    return ()
