"""What can be said of a brief before it is performed. Nothing of torch is imported here."""

from __future__ import annotations

from importlib.util import find_spec

from tydust_assetgen.flow import Brief, Scalar
from tydust_assetgen.generate.protocol import Shelf


def missing_libraries() -> str:
    missing = [name for name in ("torch", "audiocraft") if find_spec(name) is None]
    return f"{missing} missing" if missing else ""


def licence(brief: Brief) -> str:
    return "CC-BY-NC-4.0"


def cautions(brief: Brief, shelf: Shelf) -> tuple[str, ...]:
    return ()


def key_parameters(brief: Brief, shelf: Shelf) -> dict[str, Scalar]:
    return {}


def estimate_s(brief: Brief) -> float:
    return 10 * brief.duration_s
