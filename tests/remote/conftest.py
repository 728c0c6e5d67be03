"""Real servers on the loopback, each for the whole session: nginx with DAV, moto's S3, sshd. A folder needs none.

A test whose server is not installed is skipped, and says why.
"""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import Game

from tydust_assetgen.building.pool import Pool

KINDS = ("directory", "http", "s3", "sftp")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def server(words: list[str], port: int, log: Path) -> Iterator[None]:
    """A program that listens on a port; it is ended afterwards."""
    with log.open("wb") as said:
        process = subprocess.Popen(words, stdout=said, stderr=said, stdin=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 60
        while True:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(10)


def program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin:/usr/local/sbin")
    if not found:
        pytest.skip(f"{name} is not installed here")
    return found


@pytest.fixture(scope="session")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root, port = tmp_path_factory.mktemp("nginx"), free_port()
    (root / "files").mkdir()
    user = "user root;" if os.geteuid() == 0 else ""
    (root / "nginx.conf").write_text(
        f"""daemon off; pid {root}/pid; error_log {root}/error.log; worker_processes 1; {user}
events {{ worker_connections 64; }}
http {{
  access_log {root}/access.log; client_body_temp_path {root}/body; proxy_temp_path {root}/proxy;
  fastcgi_temp_path {root}/fastcgi; uwsgi_temp_path {root}/uwsgi; scgi_temp_path {root}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location / {{ root {root}/files; dav_methods PUT; create_full_put_path on; client_max_body_size 512m; }}
  }}
}}
"""
    )
    words = [program("nginx"), "-c", str(root / "nginx.conf"), "-e", str(root / "early.log")]
    with server(words, port, root / "log"):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoint of an S3 server with the bucket `game`."""
    pytest.importorskip("s3fs", reason="s3fs is not installed here")
    pytest.importorskip("moto", reason="moto is not installed here")
    root, port = tmp_path_factory.mktemp("s3"), free_port()
    words = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with server(words, port, root / "log"):
        import urllib.request

        bucket = urllib.request.Request(f"http://127.0.0.1:{port}/game", method="PUT")
        urllib.request.urlopen(bucket, timeout=30).close()
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory, _no_real_home: None) -> Iterator[str]:
    """An SFTP address; the client's settings lie in the tests' own home folder."""
    pytest.importorskip("paramiko", reason="paramiko is not installed here")
    daemon, keygen = program("sshd"), program("ssh-keygen")
    root, port = tmp_path_factory.mktemp("sshd"), free_port()
    ssh = Path(os.environ["HOME"]) / ".ssh"
    ssh.mkdir(mode=0o700)
    for place in (root / "host", ssh / "id_ed25519"):
        subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(place)], check=True)
    (root / "authorized").write_text((ssh / "id_ed25519.pub").read_text())
    host = (root / "host.pub").read_text().split()
    (ssh / "known_hosts").write_text(f"[127.0.0.1]:{port} {host[0]} {host[1]}\n")
    (ssh / "config").write_text(f"Host assets\n  HostName 127.0.0.1\n  Port {port}\n  User {getpass.getuser()}\n")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    (root / "config").write_text(
        f"""Port {port}
ListenAddress 127.0.0.1
HostKey {root}/host
PidFile {root}/pid
AuthorizedKeysFile {root}/authorized
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin yes
Subsystem sftp internal-sftp
"""
    )
    with server([daemon, "-D", "-e", "-f", str(root / "config")], port, root / "log"):
        (root / "files").mkdir()
        yield f"sftp://127.0.0.1:{port}{root}/files"


@pytest.fixture
def cache(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an empty remote of the kind that the test is parametrised with."""
    name = f"{abs(hash(request.node.name)) % 10**9}-{time.monotonic_ns()}"
    match request.param:
        case "directory":
            (tmp_path / "cache").mkdir()
            return str(tmp_path / "cache")
        case "http":
            return f"{request.getfixturevalue('nginx')}/{name}"
        case "s3":
            monkeypatch.setenv("AWS_ENDPOINT_URL", request.getfixturevalue("s3"))
            for word in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
                monkeypatch.setenv(word, "testing")
            monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
            return f"s3://game/{name}"
        case _:
            base = request.getfixturevalue("sshd")
            files = Path("/" + base.split("/", 3)[3])
            (files / name).mkdir()
            return f"{base}/{name}"


every_kind = pytest.mark.parametrize("cache", KINDS, indirect=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder as a remote."""
    made = tmp_path / "cache"
    made.mkdir()
    return made


HEAD = """
[game]
name = "Test"
[cache]
remote = {remote}
timeout = {timeout}
{more}
[defaults]
generator = "tone"
duration = 2
"""
ONE = '[music]\n"one.ogg" = "a calm tone"\n'
TWO = '[music]\n"one.ogg" = "a calm tone"\n"two.ogg" = "a wild tone"\n'

MakeGame = Callable[..., Game]


@pytest.fixture
def machine(tmp_path: Path, pool: Pool) -> MakeGame:
    """Makes a person's machine with the game on it: `machine("ann", remote, body)`."""

    def make(name: str, remote: str | list[str], body: str = TWO, more: str = "", timeout: float = 20) -> Game:
        made = Game(tmp_path / name, pool)
        made.root.mkdir(exist_ok=True)
        words = str(remote if isinstance(remote, list) else [remote]).replace("'", '"')
        made.write(body, HEAD.format(remote=words, more=more, timeout=timeout))
        return made

    return make


def warnings(game: Game) -> list[str]:
    return [event.message for event in game.told if type(event).__name__ == "Warned"]


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)
