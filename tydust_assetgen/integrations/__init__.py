"""Files for other tools, that are installed with the package: a CMake module and a script for Unity's editor."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).resolve().parent
