"""What all tests share: a game in a temporary folder, and a small real generator to fill it quickly."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import imageio_ffmpeg
import pytest
from hypothesis import HealthCheck, settings

REPOSITORY = Path(__file__).resolve().parent.parent
PLUGINS = Path(__file__).resolve().parent / "plugins"
sys.path.insert(0, str(PLUGINS))  # as if the plug-in were installed; workers see it too

from tydust_assetgen import events  # noqa: E402
from tydust_assetgen.building.build import build  # noqa: E402
from tydust_assetgen.building.messages import LOG_VARIABLE  # noqa: E402
from tydust_assetgen.building.pool import Pool  # noqa: E402
from tydust_assetgen.building.report import Options, Report  # noqa: E402
from tydust_assetgen.flow import Scalar  # noqa: E402
from tydust_assetgen.project.lockfile import LockFile, read_lock  # noqa: E402
from tydust_assetgen.project.project import Project  # noqa: E402
from tydust_assetgen.system import digest_file  # noqa: E402

os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # as where it is activated
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background, and programs inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Timings never fail a test. In CI the examples are always the same: what a new one shows is no fault of the change that
# happens to be tried. New ones are looked for wherever else the tests run.
settings.register_profile(
    "assetgen", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("assetgen")

HEAD = """
[game]
name = "Test"
[defaults]
generator = "tone"
duration = 2
"""


@pytest.fixture(scope="session", autouse=True)
def _no_real_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A test that reaches for the real home directory finds an empty one."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        patch.setenv("MPLCONFIGDIR", str(home / "matplotlib"))
        yield


@pytest.fixture(scope="session", autouse=True)
def _an_ffmpeg(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """On the path, also of workers: this machine's, or else the one that comes with the tests."""
    with pytest.MonkeyPatch.context() as patch:
        if shutil.which("ffmpeg") is None:
            folder = tmp_path_factory.mktemp("ffmpeg")
            put_ffmpeg(folder)
            patch.setenv("PATH", str(folder), prepend=os.pathsep)
        yield


def put_ffmpeg(folder: Path) -> None:
    """The ffmpeg that comes with the tests, under the name by which programs look for it."""
    source = imageio_ffmpeg.get_ffmpeg_exe()
    target = folder / ("ffmpeg.exe" if sys.platform == "win32" else "ffmpeg")
    try:
        target.symlink_to(source)
    except OSError:  # Windows, without the right to make links
        shutil.copy(source, target)


@dataclass
class Game:
    """A project in a temporary folder, and what its last build told."""

    root: Path
    pool: Pool | None = None
    told: list[events.Event] = field(default_factory=list)

    @property
    def project(self) -> Project:
        return Project.at(self.root)

    @property
    def lock(self) -> LockFile:
        return read_lock(self.project.lock_file)

    def write(self, body: str, head: str = HEAD) -> None:
        (self.root / "assets.toml").write_text(head + body)

    def slots(self, prompts: dict[str, str], more: str = "", **parameters: Scalar) -> None:
        """A manifest with these slots, each with the tone generator's parameters."""
        table = ", ".join(f"{name} = {_toml(value)}" for name, value in parameters.items())
        lines = [
            f'[music."{slot}"]\nprompt = "{prompt}"\n{more}\n' + (f"tone = {{ {table} }}\n" if table else "")
            for slot, prompt in prompts.items()
        ]
        self.write("\n".join(lines))

    def build(self, *slots: str, **options: bool | int) -> Report:
        self.told = []
        return build(self.project, Options(slots=slots, jobs=2, **options), self.told.append, self.pool)  # type: ignore[arg-type]

    def counts(self, *slots: str, **options: bool | int) -> dict[str, int]:
        """What a build did: the numbers of its summary that are not zero."""
        summary = self.build(*slots, **options).summary
        names = ("generated", "finished", "encoded", "restored", "fresh", "failed", "blocked", "pruned")
        return {name: getattr(summary, name) for name in names if getattr(summary, name)}

    def path(self, output: str) -> Path:
        return self.root / "assets" / output

    def digests(self) -> dict[str, str]:
        """Every file in the asset tree."""
        tree = self.root / "assets"
        return {str(path.relative_to(tree)): digest_file(path) for path in sorted(tree.rglob("*")) if path.is_file()}

    def locked(self) -> dict[str, str]:
        """Every file in the lock file."""
        entries = [self.lock.entry(slot) for slot in self.lock.blocks]
        return {found.output.path: found.digest for entry in entries if entry for found in entry.outputs}

    def start(self, *words: str) -> subprocess.Popen[str]:
        """A build of its own, to be interrupted or met by another."""
        return subprocess.Popen(
            command("build", *words),
            cwd=self.root,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def workers(self) -> list[int]:
        """Worker processes whose log lies in this game's folder."""
        found, log = [], f"\0{LOG_VARIABLE}={self.root}/".encode()
        for process in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                is_worker = process.name.isdigit() and b"building.worker" in (process / "cmdline").read_bytes()
                if is_worker and log in b"\0" + (process / "environ").read_bytes():
                    found.append(int(process.name))
        return found

    def run(self, *words: str, **more: object) -> subprocess.CompletedProcess[str]:
        """The real command, in a process of its own."""
        return subprocess.run(
            command(*words), cwd=self.root, env=environment(), capture_output=True, text=True, timeout=120, check=False
        )


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "tydust_assetgen", *words]


def environment() -> dict[str, str]:
    path = os.pathsep.join([str(PLUGINS), str(REPOSITORY)])
    return {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "error"}


def _toml(value: Scalar) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


@pytest.fixture(scope="session")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """Workers that stay for all tests: to load scipy takes longer than to make a short track."""
    with Pool(2, tmp_path_factory.mktemp("logs")) as workers:
        yield workers


@pytest.fixture
def game(tmp_path: Path, pool: Pool) -> Game:
    return Game(tmp_path, pool)
