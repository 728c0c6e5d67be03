"""A library that is installed and can't be imported: doctor and a build say which, why, and what mends it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from conftest import Game, command, environment

from tydust_assetgen.errors import UnavailableError
from tydust_assetgen.generate.musicgen.spec import import_check
from tydust_assetgen.generate.musicgen.spec.import_check import Broken, explained, problem, try_imports

SYMBOL = "undefined symbol: torch_exception_get_what_without_backtrace"
BROKEN = f"""
try:
    raise OSError("/opt/lib/libtorchaudio.so: {SYMBOL}")
except OSError as error:
    raise OSError("Could not load this library: /opt/lib/libtorchaudio.so") from error
"""


class Libraries:
    """Stand-ins for installed libraries, in a folder that comes before all others."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, name: str, code: str, version: str = "1.2.3") -> None:
        (self.folder / name).mkdir(parents=True)
        (self.folder / name / "__init__.py").write_text(code)
        about = self.folder / f"{name}-{version}.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")

    def run(self, *words: str, folder: Path) -> subprocess.CompletedProcess[str]:
        env = environment()
        env["PYTHONPATH"] = os.pathsep.join([str(self.folder), env["PYTHONPATH"]])
        return subprocess.run(
            command(*words), cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False
        )

    def doctor(self) -> dict[str, dict[str, str]]:
        rows: dict[str, dict[str, str]] = json.loads(self.run("doctor", "--json", folder=self.folder).stdout)
        return rows


@pytest.fixture
def libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Libraries:
    monkeypatch.syspath_prepend(str(tmp_path / "libraries"))
    monkeypatch.setattr(import_check, "_known", {})
    return Libraries(tmp_path / "libraries")


def test_doctor_says_what_it_can_not_import_and_what_mends_it(libraries: Libraries) -> None:
    libraries.add("torch", "", "2.11.0")
    libraries.add("audiocraft", "", "1.3.0")
    libraries.add("torchaudio", BROKEN, "2.11.1")
    rows = libraries.doctor()
    what = f"`torchaudio` 2.11.1 can't be imported beside `torch` 2.11.0: libtorchaudio.so: {SYMBOL}"
    assert rows["musicgen"]["torchaudio"] == f'{what}: uv pip install "torchaudio==2.11.0"'
    assert rows["musicgen"]["torch"] == "2.11.0"
    assert rows["generators"]["musicgen"] == rows["musicgen"]["torchaudio"]
    assert rows["generators"]["composer"].startswith("ok")


def test_doctor_survives_a_library_that_ends_the_process(libraries: Libraries) -> None:
    libraries.add("torch", "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)")
    libraries.add("audiocraft", "")
    libraries.add("matplotlib", "raise RuntimeError('no fonts')", "3.0.0")
    rows = libraries.doctor()
    assert rows["generators"]["musicgen"] == (
        "`torch` 1.2.3 can't be imported: importing it ends the process with signal 11: "
        "uv pip install --reinstall torch"
    )
    assert rows["extras"]["plot"] == (
        "`matplotlib` can't be imported: RuntimeError: no fonts: pip install --force-reinstall matplotlib"
    )


MANIFEST = """
[game]
name = "Test"
[defaults]
duration = 2
generator = "musicgen"
[music."calm.ogg"]
prompt = "calm"
[music."dark.ogg"]
prompt = "dark"
[music."bells.ogg"]
prompt = "bells"
generator = "tone"
"""


@pytest.mark.parametrize("library", ["torch", "audiocraft"])
def test_a_build_ends_each_slot_with_the_same_words_and_makes_the_others(
    game: Game, libraries: Libraries, library: str
) -> None:
    """Also when a second try in the same process fails in another way."""
    libraries.add("audiocraft", "", "1.3.0")
    broken = "import sys\nif hasattr(sys, 'tried'): raise KeyError('other')\nsys.tried = True\n" + BROKEN
    if library == "torch":
        libraries.add("torch", broken, "2.11.0")
    else:
        pytest.importorskip("torch")
        (libraries.folder / "audiocraft/models").mkdir()
        (libraries.folder / "audiocraft/models/__init__.py").write_text("")
        (libraries.folder / "audiocraft/models/musicgen.py").write_text(broken)
    game.write("", MANIFEST + _model(game) if library == "audiocraft" else MANIFEST)
    done = libraries.run("build", folder=game.root)
    assert done.returncode == 1
    assert "made        bells.ogg" in done.stderr
    for line, slot in ((7, "calm.ogg"), (9, "dark.ogg")):
        what = f"failed      assets.toml:{line}: {slot}: `{library}` "
        assert done.stderr.count(what) == 1
        after = done.stderr.partition(what)[2].splitlines()
        assert after[0].endswith(f"can't be imported: libtorchaudio.so: {SYMBOL}")
        assert after[1] == f"  hint: uv pip install --reinstall {library}"
    assert "Traceback" not in done.stderr
    assert not (game.root / ".assetgen/logs/bug.log").exists()
    assert sorted(game.digests()) == ["bells.ogg"]


def _model(game: Game) -> str:
    from tests.generate.musicgen import caches

    if not caches.INSTALLED:
        pytest.skip("the extra `musicgen` is not installed")
    return f'[defaults.musicgen]\nmodel = "{caches.checkpoint("t5").folder}"\nlicence = "MIT"\nextend_stride = 2.5\n'


def test_what_fails_is_named_by_the_library_that_fails(libraries: Libraries) -> None:
    libraries.add("outer", "import inner")
    libraries.add("inner", "raise RuntimeError('two lines\\nof it')")
    libraries.add("lacking", "import no_such_library")
    libraries.add("whole", "print('noise')")
    modules = {name: (name,) for name in ("whole", "outer", "lacking", "absent")}
    assert try_imports(modules) == {
        "whole": None,
        "outer": Broken("inner", "RuntimeError: two lines"),
        "lacking": Broken("no_such_library", "No module named 'no_such_library'"),
        "absent": Broken("absent", "No module named 'absent'"),
    }


def test_what_is_missing_is_asked_for_by_the_extra(libraries: Libraries) -> None:
    libraries.add("lacking", "import no_such_library")
    with pytest.raises(UnavailableError, match="`no_such_library` is not installed") as raised, explained():
        import lacking  # noqa: F401
    assert raised.value.problems[0].hint == 'uv pip install ".[musicgen]"'


def test_other_errors_stay_what_they_are(libraries: Libraries) -> None:
    with pytest.raises(OSError, match="disk"), explained():
        raise OSError("disk")
    libraries.add("whole", "def work():\n    raise ValueError('at work')")
    import whole

    with pytest.raises(ValueError, match="at work"), explained():
        whole.work()


@pytest.mark.parametrize(
    ("torch", "audio", "fits"),
    [
        ("2.11.0", "2.11.1", "==2.11.0"),
        ("2.12.1+cpu", "2.11.1", "==2.11.0"),
        ("2.13.0", "2.10.0", ">=2.11.1"),
        ("2.15.0", "2.11.0", ">=2.11.1"),
    ],
)
def test_the_torchaudio_that_is_advised_fits_the_torch_that_is_here(
    libraries: Libraries, torch: str, audio: str, fits: str
) -> None:
    libraries.add("torch", "", torch)
    libraries.add("torchaudio", BROKEN, audio)
    assert problem(Broken("torchaudio", "x")).problems[0].hint == f'uv pip install "torchaudio{fits}"'
