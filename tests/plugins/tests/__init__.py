"""The tests of this repository under the name `tests`. flashy, which audiocraft brings, installs its own under it, and
a package that is installed wins over a folder without an `__init__`; this one comes before both."""

from pathlib import Path

__path__ = [str(Path(__file__).resolve().parents[2])]
