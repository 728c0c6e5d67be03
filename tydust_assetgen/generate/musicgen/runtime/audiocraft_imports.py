"""Imports audiocraft quickly, without what only its training needs.

Importing any part of audiocraft 1.3.0 runs the `__init__` of its packages, and those import its solvers, metrics and
data sets. Here a package stands in `sys.modules` whose `__init__` runs only when it is asked for something that is not
one of its own modules: `from audiocraft.models.musicgen import MusicGen` is quick, and `from audiocraft.models import
AudioGen` works as ever. spaCy waits in the same way, and only a model whose text is normalised uses it; PyAV too, and
nothing here uses it: audiocraft would read files with it, and its wheels carry libraries under the GPL. The filters of
librosa (which load scipy's signal processing and numba) wait for a melody model.

Where audiocraft only takes names from a library (transformers above all, whose import takes longer than torch's), it is
given promises while it is imported: each becomes the real thing when it is used. Nobody else ever sees them.

Of xformers, audiocraft with its `torch` attention calls `unbind` and makes a mark that says "causal": both stand here,
so that xformers (which fits one exact version of torch and loads its compiler) is needed neither at import nor at all.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata, util
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_PACKAGES = ("audiocraft", "audiocraft.data", "audiocraft.models")
_PROMISED = ("transformers", "huggingface_hub", "torchaudio", "flashy", "flashy.distrib", "dora", "num2words")


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
        if spec.name == "librosa.filters":
            from tydust_assetgen.generate.musicgen.decoder.cpu.compile_cache import use_checked_files

            use_checked_files()  # importing it compiles, and a process may be killed meanwhile
        spec.loader.exec_module(self)
        return getattr(self, name)


class _Promises(ModuleType):
    """Stands for a library as long as audiocraft is imported."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Promised(self.__name__, name)


class _Promised:
    """Something of a library that is imported when this is called, or asked for what it has."""

    def __init__(self, library: str, name: str) -> None:
        self._library, self._name = library, name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._kept(), name)

    def __call__(self, *args: Any, **named: Any) -> Any:
        return self._kept()(*args, **named)

    def _kept(self) -> Any:
        _take_away()
        return getattr(importlib.import_module(self._library), self._name)


class _CausalMark:
    """Where audiocraft asks for xformers' lower triangular mask, only its presence counts."""


def prepare() -> None:
    """Import what is used of audiocraft. What is imported already, of its own or of others, is left as it is."""
    load_torch()
    for name in _PACKAGES:
        _defer(name)
    if "audiocraft" in sys.modules and not hasattr(sys.modules["audiocraft"], "__version__"):
        sys.modules["audiocraft"].__version__ = metadata.version("audiocraft")  # type: ignore[attr-defined]
    for name in ("spacy", "av", "librosa.filters"):
        _defer(name)
    if "xformers" not in sys.modules:
        _stand_in_for_xformers()
    with _promises():
        importlib.import_module("audiocraft.models.musicgen")


@contextmanager
def _promises() -> Iterator[None]:
    """While it lasts, libraries that are not imported yet are promised."""
    sys.modules |= {name: _Promises(name) for name in _PROMISED if name.split(".")[0] not in sys.modules}
    try:
        yield
    finally:
        _take_away()


def _take_away() -> None:
    for name in _PROMISED:
        if isinstance(sys.modules.get(name), _Promises):
            del sys.modules[name]


def load_torch() -> None:
    """Import torch. Environment variables for it must be set before.

    It may ask Linux for pages of 2 MB: most of what a CPU does to get a model's weights into memory of its own is to
    hand out pages, and these are 512 times fewer, which halves it, measured. What an import makes stays, so nothing is
    swept meanwhile: a tenth less.
    """
    if "torch" in sys.modules:
        return
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    with unswept():
        importlib.import_module("torch")


def wait_quietly() -> None:
    """To be called before torch is loaded. Threads of OpenMP wait for each other with their core at full speed, and
    beside other workers each of a step's many small waits then takes a time slice: 20 times slower, measured."""
    if "torch" not in sys.modules:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@contextmanager
def unswept() -> Iterator[None]:
    """While it lasts, Python does not look for what nobody uses any more."""
    swept = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if swept:
            gc.enable()


@contextmanager
def without_bars() -> Iterator[None]:
    """For who uses transformers, which shows progress bars of its own, between ours."""
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
