"""How fast a shared cache gives what it has: `assetgen build --frozen` beside plain copying of the same bytes.

    python benchmarks/remote.py [--rounds 5] [--slots 16] [--seconds 60]

Real servers on the loopback: a folder beside `cp`, nginx beside `curl`, moto's S3 server beside boto3. assetgen also
asks for the records, holds all against its digest, keeps it in its store, publishes it, and writes the lock file; its
time is that of the whole command. Without a server's program its rows are left out. Tracks are WAVs from the tests'
tone generator.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from timing import command_s, medians, table

REPOSITORY = Path(__file__).resolve().parent.parent
ASSETGEN = [sys.executable, "-m", "tydust_assetgen"]
AWS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}
_BOTO = """
import sys, boto3
from concurrent.futures import ThreadPoolExecutor
client = boto3.client("s3")
names = sys.argv[2:]
with ThreadPoolExecutor(8) as threads:
    list(threads.map(lambda name: client.download_file("game", name, sys.argv[1] + "/" + name.split("/")[1]), names))
"""


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--rounds", type=int, default=5)
    words.add_argument("--slots", type=int, default=16)
    words.add_argument("--seconds", type=int, default=60)
    chosen = words.parse_args()
    os.environ["PYTHONPATH"] = os.pathsep.join([str(REPOSITORY / "tests/plugins"), str(REPOSITORY)])
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as servers:
        root = Path(folder)
        cache = root / "cache"
        cache.mkdir()
        write_game(root / "maker", str(cache), chosen.slots, chosen.seconds)
        print(f"making {chosen.slots} tracks", file=sys.stderr)
        command_s([*ASSETGEN, "build"], root / "maker")
        tracks = [path.name for path in (root / "maker/assets").iterdir()]
        size = sum((root / "maker/assets" / name).stat().st_size for name in tracks)
        found = medians(dict(tasks(root, cache, chosen.slots, chosen.seconds, servers)), chosen.rounds)
    rows = {name: [f"{seconds:.2f}", f"{size / seconds / 1e6:.0f}"] for name, seconds in found.items()}
    table(f"{chosen.slots} tracks, {size / 1e6:.0f} MB, from a cache (medians)", rows, ["seconds", "MB/s"])


def write_game(root: Path, remote: str, slots: int, seconds: int) -> None:
    root.mkdir()
    head = f'[game]\nname = "T"\n[cache]\nremote = "{remote}"\n[defaults]\ngenerator = "tone"\nduration = {seconds}\n'
    lines = [f'"track{number}.wav" = "tone number {number}"\n' for number in range(slots)]
    (root / "assets.toml").write_text(f"{head}[music]\n{''.join(lines)}")


def tasks(
    root: Path, cache: Path, slots: int, seconds: int, servers: contextlib.ExitStack
) -> Iterator[tuple[str, Callable[[], float]]]:
    """What is timed. The plain copies fetch just the content of the tracks, by its known name."""
    made = sorted((root / "maker/assets").iterdir())
    digests = [subprocess.check_output(["sha256sum", path], text=True).split()[0] for path in made]
    yield "assetgen, folder", partial(frozen, root / "from folder", str(cache), slots, seconds)
    files = [str(cache / "cas" / digest) for digest in digests]
    yield "cp, folder", partial(copying, ["cp", *files, "."], root / "cp")
    if (nginx := program("nginx")) and (curl := program("curl")):
        address = servers.enter_context(http_server(nginx, root, cache))
        yield "assetgen, nginx", partial(frozen, root / "from nginx", address, slots, seconds)
        urls = [word for digest in digests for word in ("-O", f"{address}/cas/{digest}")]
        yield "curl, one by one", partial(copying, [curl, "-s", *urls], root / "curl")
        yield "curl, eight at once", partial(copying, [curl, "-s", "-Z", "--parallel-max", "8", *urls], root / "curlz")
    with contextlib.suppress(ImportError):
        import boto3  # noqa: F401
        import moto  # noqa: F401
        import s3fs  # noqa: F401

        servers.enter_context(s3_server())
        write_game(root / "pusher", "s3://game", slots, seconds)
        shutil.copytree(root / "maker/.assetgen", root / "pusher/.assetgen")
        command_s([*ASSETGEN, "cache", "push"], root / "pusher")
        yield "assetgen, S3", partial(frozen, root / "from s3", "s3://game", slots, seconds)
        names = [f"cas/{digest}" for digest in digests]
        yield "boto3, eight at once", partial(copying, [sys.executable, "-c", _BOTO, ".", *names], root / "boto")


def frozen(root: Path, remote: str, slots: int, seconds: int) -> float:
    """A machine that has nothing but the manifest."""
    shutil.rmtree(root, ignore_errors=True)
    write_game(root, remote, slots, seconds)
    return command_s([*ASSETGEN, "build", "--frozen", "--quiet"], root)


def copying(words: list[str], folder: Path) -> float:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return command_s(words, folder)


def program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if not found:
        print(f"{name} is not here: left out", file=sys.stderr)
    return found or ""


@contextlib.contextmanager
def http_server(nginx: str, root: Path, files: Path) -> Iterator[str]:
    port = free_port()
    user = "user root;" if os.geteuid() == 0 else ""
    (root / "nginx.conf").write_text(
        f"daemon off; pid {root}/pid; error_log {root}/error.log; {user} events {{}}\n"
        f"http {{ access_log off; sendfile on; client_body_temp_path {root}/body; proxy_temp_path {root}/proxy;\n"
        f"fastcgi_temp_path {root}/fcgi; uwsgi_temp_path {root}/uwsgi; scgi_temp_path {root}/scgi;\n"
        f"server {{ listen 127.0.0.1:{port}; root {files}; }} }}\n"
    )
    with listening([nginx, "-c", str(root / "nginx.conf"), "-e", str(root / "early.log")], port):
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def s3_server() -> Iterator[None]:
    import boto3

    port = free_port()
    os.environ |= {**AWS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
    with listening([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], port):
        boto3.client("s3").create_bucket(Bucket="game")
        yield


@contextlib.contextmanager
def listening(words: list[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while process.poll() is None:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
