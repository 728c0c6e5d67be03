"""audiocraft, without what only its training needs: nothing walks in, out walks an audiocraft that imports quickly.

Importing any part of audiocraft 1.3.0 runs the `__init__` of its packages, and those import its solvers, metrics and
data sets. Here a package stands in `sys.modules` whose `__init__` runs only when it is asked for something that is not
one of its own modules: `from audiocraft.models.musicgen import MusicGen` is quick, and `from audiocraft.models import
AudioGen` works as ever. spaCy waits in the same way, and only a model whose text is normalised uses it; PyAV too, and
nothing here uses it: audiocraft would read files with it, and its wheels carry libraries under the GPL. The filters of
librosa (which load scipy's signal processing and numba) wait for a melody model.

Of xformers, audiocraft with its `torch` attention calls `unbind` and makes a mark that says "causal": both stand here,
so that xformers (which fits one exact version of torch and loads its compiler) is needed neither at import nor at all.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata, util
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_PACKAGES = ("audiocraft", "audiocraft.data", "audiocraft.models")


class Deferred(ModuleType):
    """A package whose `__init__` runs when something is asked of it that is not one of its modules."""

    def __init__(self, spec: ModuleSpec) -> None:
        super().__init__(spec.name)
        self.__spec__, self.__loader__, self.__package__ = spec, spec.loader, spec.parent
        if spec.submodule_search_locations is not None:
            self.__path__ = list(spec.submodule_search_locations)
        self.__file__ = spec.origin
        self._whole = spec.name not in _PACKAGES

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if not self._whole and util.find_spec(f"{self.__name__}.{name}"):
            return importlib.import_module(f"{self.__name__}.{name}")
        return self._run(name)

    def _run(self, name: str) -> Any:
        """Run the real `__init__`, once."""
        spec, self.__class__ = self.__spec__, ModuleType  # type: ignore[assignment]
        if spec is None or spec.loader is None:
            raise ModuleNotFoundError(f"No module named '{self.__name__}'", name=self.__name__)
        spec.loader.exec_module(self)
        return getattr(self, name)


class _CausalMark:
    """Where audiocraft asks for xformers' lower triangular mask, only its presence counts."""


def prepare() -> None:
    """To be called before anything of audiocraft is imported; what is imported already is left as it is."""
    for name in _PACKAGES:
        _defer(name)
    if "audiocraft" in sys.modules and not hasattr(sys.modules["audiocraft"], "__version__"):
        sys.modules["audiocraft"].__version__ = metadata.version("audiocraft")  # type: ignore[attr-defined]
    for name in ("spacy", "av", "librosa.filters"):
        _defer(name)
    if "xformers" not in sys.modules:
        _stand_in_for_xformers()


@contextmanager
def without_bars() -> Iterator[None]:
    """transformers shows progress bars of its own, between ours."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _defer(name: str) -> None:
    if name in sys.modules:
        return
    found = util.find_spec(name) or ModuleSpec(name, None, is_package=True)
    sys.modules[name] = Deferred(found)
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, sys.modules[name])


def _stand_in_for_xformers() -> None:
    import torch

    package, ops = (ModuleType(name) for name in ("xformers", "xformers.ops"))
    package.__spec__ = ModuleSpec("xformers", None, is_package=True)
    ops.__spec__ = ModuleSpec("xformers.ops", None)
    package.__path__ = []
    ops.unbind = torch.unbind  # type: ignore[attr-defined]
    ops.LowerTriangularMask = _CausalMark  # type: ignore[attr-defined]
    ops.memory_efficient_attention = _not_here  # type: ignore[attr-defined]
    package.ops = ops  # type: ignore[attr-defined]
    sys.modules |= {"xformers": package, "xformers.ops": ops}


def _not_here(*_: object, **__: object) -> None:
    raise RuntimeError("attention by xformers is not used here: audiocraft's backend is `torch`")
