"""A remote that lies, hangs, is full or gone is a miss and one warning: every build here ends well."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tydust_assetgen.remote.address import Address, read_address
from tydust_assetgen.remote.http import authorization

from .conftest import ONE, MakeGame, free_port, until, warnings

Misdeed = Callable[[BaseHTTPRequestHandler, bytes | None], None]


class Bad:
    """A small HTTP cache in memory, which may misbehave in one way. It counts what it is asked."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.authorized: list[str] = []
        self.on_get: Misdeed | None = None
        self.on_put: Misdeed | None = None
        self.stop = threading.Event()
        bad = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                bad.note(self)
                found = bad.files.get(self.path)
                if bad.on_get:
                    bad.on_get(self, found)
                else:
                    answer(self, 404 if found is None else 200, found or b"")

            def do_HEAD(self) -> None:
                bad.note(self)
                self.send_response(200 if self.path in bad.files else 404)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_PUT(self) -> None:
                bad.note(self)
                data = self.rfile.read(int(self.headers["Content-Length"]))
                if bad.on_put:
                    bad.on_put(self, data)
                else:
                    bad.files[self.path] = data
                    answer(self, 201, b"")

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def note(self, handler: BaseHTTPRequestHandler) -> None:
        self.asked.append(f"{handler.command} {handler.path}")
        self.authorized.append(handler.headers.get("Authorization", ""))

    def close(self) -> None:
        self.stop.set()
        self.server.shutdown()
        self.server.server_close()


def answer(handler: BaseHTTPRequestHandler, status: int, data: bytes, **headers: str) -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(data)))
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(data)


@pytest.fixture
def bad() -> Iterator[Bad]:
    made = Bad()
    yield made
    made.close()


@pytest.fixture
def filled(bad: Bad, machine: MakeGame) -> dict[str, str]:
    """What an honest machine has made and sent: the digests of its files."""
    ann = machine("ann", bad.address)
    ann.build()
    until(lambda: len(bad.files) == 8)
    return ann.digests()


def hang(bad: Bad) -> Misdeed:
    return lambda handler, found: bad.stop.wait(60) and None


def trickle(bad: Bad) -> Misdeed:
    """A byte now and then: no single wait is long, but there is no end."""

    def misbehave(handler: BaseHTTPRequestHandler, found: bytes | None) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        while not bad.stop.wait(0.1):
            handler.wfile.write(b"x")
            handler.wfile.flush()

    return misbehave


def truncate(handler: BaseHTTPRequestHandler, found: bytes | None) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "5000")
    handler.end_headers()
    handler.wfile.write(b"half")
    handler.close_connection = True


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("hang", "no answer"),
        ("trickle", "no answer within 1 s"),
        ("truncate", "broke off"),
        ("500", "HTTP 500"),
        ("redirect", "sends us elsewhere"),
        ("401", "lets us not in"),
        ("endless", "larger than it should be"),
        ("garbage", "can't be read"),
        ("zipped", "can't be read"),
    ],
)
def test_a_bad_answer_is_a_miss(bad: Bad, filled: dict[str, str], machine: MakeGame, name: str, words: str) -> None:
    misdeeds: dict[str, Misdeed] = {
        "hang": hang(bad),
        "trickle": trickle(bad),
        "truncate": truncate,
        "500": lambda handler, found: answer(handler, 500, b"oops"),
        "redirect": lambda handler, found: answer(handler, 302, b"", Location="http://127.0.0.1:1/elsewhere"),
        "401": lambda handler, found: answer(handler, 401, b""),
        "endless": lambda handler, found: answer(handler, 200, b"x" * (2 << 20)),
        "garbage": lambda handler, found: answer(handler, 200, b"\xff\x00not a record"),
        "zipped": lambda handler, found: answer(handler, 200, b"\x1f\x8b" + b"x" * 100, **{"Content-Encoding": "gzip"}),
    }
    bad.on_get = misdeeds[name]
    bob = machine("bob", bad.address, timeout=1)
    begun = time.monotonic()
    assert bob.counts() == {"generated": 2, "finished": 2, "encoded": 2}
    assert time.monotonic() - begun < 20
    assert bob.digests() == filled
    (warning,) = warnings(bob)
    assert words in warning


def test_a_lie_never_reaches_the_tree(bad: Bad, filled: dict[str, str], machine: MakeGame) -> None:
    """Content that is not what its name says, of the right length."""

    def lie(handler: BaseHTTPRequestHandler, found: bytes | None) -> None:
        honest = found or b""
        wrong = handler.path.startswith("/cas/") and found
        answer(handler, 200 if found else 404, honest[:-1] + bytes([honest[-1] ^ 1]) if wrong else honest)

    bad.on_get = lie
    bob = machine("bob", bad.address)
    assert bob.counts() == {"generated": 2, "finished": 2, "encoded": 2}
    assert bob.digests() == filled
    (warning,) = warnings(bob)
    assert "content does not have its digest" in warning


def test_what_is_bad_is_written_over(bad: Bad, machine: MakeGame) -> None:
    ann = machine("ann", bad.address, ONE)
    ann.build()
    until(lambda: len(bad.files) == 4)
    honest = dict(bad.files)
    bad.files |= {path: b"{}" for path in honest if path.startswith("/ac/")}
    assert machine("bob", bad.address, ONE).counts() == {"generated": 1, "finished": 1, "encoded": 1}
    until(lambda: bad.files == honest)
    carl = machine("carl", bad.address, ONE)
    assert carl.counts(frozen=True) == {"restored": 1}
    assert carl.digests() == ann.digests()


def test_a_full_server_is_said_once(bad: Bad, machine: MakeGame) -> None:
    bad.on_put = lambda handler, data: answer(handler, 507, b"")
    ann = machine("ann", bad.address)
    assert ann.counts() == {"generated": 2, "finished": 2, "encoded": 2}
    (warning,) = warnings(ann)
    assert "it is full (HTTP 507)" in warning
    assert len([asked for asked in bad.asked if asked.startswith("PUT")]) <= 4  # those that were under way


def test_a_server_that_takes_nothing_hints_at_read_only(bad: Bad, machine: MakeGame) -> None:
    bad.on_put = lambda handler, data: answer(handler, 403, b"")
    ann = machine("ann", bad.address)
    ann.build()
    hints = [event.hint for event in ann.told if type(event).__name__ == "Warned"]  # type: ignore[union-attr]
    assert len(hints) == 1
    assert "ASSETGEN_CACHE_READ_ONLY" in hints[0]


def test_who_builds_again_soon_does_not_ask_what_failed(bad: Bad, machine: MakeGame) -> None:
    bad.on_get = lambda handler, found: answer(handler, 500, b"")
    ann = machine("ann", bad.address)
    ann.build("one.ogg")
    asked = len(bad.asked)
    assert (len(warnings(ann)), asked > 0) == (1, True)
    ann.build()
    assert (warnings(ann), len(bad.asked)) == ([], asked)


def test_nobody_listens(machine: MakeGame) -> None:
    ann = machine("ann", f"http://127.0.0.1:{free_port()}")
    assert ann.counts() == {"generated": 2, "finished": 2, "encoded": 2}
    (warning,) = warnings(ann)
    assert "can't be reached" in warning


def test_the_next_remote_is_asked(bad: Bad, filled: dict[str, str], machine: MakeGame, tmp_path: Path) -> None:
    bob = machine("bob", [str(tmp_path / "not mounted"), f"http://127.0.0.1:{free_port()}", bad.address])
    assert bob.counts(frozen=True) == {"restored": 2}
    assert bob.digests() == filled
    assert len(warnings(bob)) == 2


def test_a_slow_upload_does_not_hold_up_the_build(bad: Bad, machine: MakeGame) -> None:
    bad.on_put = hang(bad)
    ann = machine("ann", bad.address, timeout=2)
    ann.build()
    kinds = [type(event).__name__ for event in ann.told]
    assert kinds.index("Sending") > max(at for at, kind in enumerate(kinds) if kind == "Done")
    assert len(warnings(ann)) == 1


def test_secrets_are_sent_and_never_shown(
    bad: Bad, machine: MakeGame, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    host = bad.address.removeprefix("http://")
    ann = machine("ann", [])
    bad.on_get = lambda handler, found: answer(handler, 500, b"")
    monkeypatch.setenv("ASSETGEN_CACHE_REMOTE", f"http://ann:hunter2@{host}")
    told = ann.run("build", "-v")
    assert told.returncode == 0
    assert "HTTP 500" in told.stderr
    assert "hunter2" not in told.stdout + told.stderr + "".join(map(str, ann.told))
    assert set(bad.authorized) == {"Basic YW5uOmh1bnRlcjI="}


@pytest.mark.parametrize("way", ["netrc", "token", "another host's token"])
def test_credentials_come_from_outside(
    bad: Bad, machine: MakeGame, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str
) -> None:
    port = bad.server.server_port
    if way == "netrc":
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login ann password hunter2\n")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    else:
        host = f"127.0.0.1:{port}" if way == "token" else "example.org"
        monkeypatch.setenv("ASSETGEN_CACHE_TOKEN", f"{host}=abc=")
    machine("ann", bad.address).build()
    wanted = {"netrc": "Basic YW5uOmh1bnRlcjI=", "token": "Bearer abc="}.get(way, "")
    assert set(bad.authorized) == {wanted}


NETRC = "machine cache.example.org login ann password hunter2\ndefault login ann password hunter3\n"


@pytest.mark.parametrize(
    ("address", "by_user", "sent"),
    [
        ("https://cache.example.org/game", False, "hunter2"),
        ("https://other.example.org/game", False, ""),
        ("http://cache.example.org/game", False, ""),
        ("http://cache.example.org/game", True, "hunter2"),
        ("http://other.example.org/game", True, ""),
    ],
)
def test_what_belongs_to_a_host_goes_to_no_other_and_never_in_the_clear(
    tmp_path: Path, address: str, by_user: bool, sent: str
) -> None:
    (tmp_path / "netrc").write_text(NETRC)
    found = read_address(address)
    assert isinstance(found, Address)
    header = authorization(found._replace(named_by_user=by_user), {"NETRC": str(tmp_path / "netrc")})
    login = f"Basic {base64.b64encode(f'ann:{sent}'.encode()).decode()}" if sent else ""
    assert header.get("Authorization", "") == login
    token = authorization(found._replace(named_by_user=by_user), {"ASSETGEN_CACHE_TOKEN": f"{found.host}=abc"})
    assert token.get("Authorization", "") == ("" if address.startswith("http:") and not by_user else "Bearer abc")


@pytest.mark.parametrize(
    "text",
    ["ann:hunter2@cache.example.org/game", "https//ann:hunter2@host/x", "https://ann:hunter2@host:999999/x",
     "https://ann:hunter2@", "ftp://ann:hunter2@host/x", "https:/ann:hunter2@host", "file://ann:hunter2@host/x"],
)  # fmt: skip
def test_no_malformed_address_shows_its_password(machine: MakeGame, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    for game in (machine("ann", text), machine("bob", [])):
        for words in (("build",), ("cache", "status"), ("status",), ("build", "--json"), ("cache", "push")):
            told = game.run(*words)
            assert "hunter2" not in told.stdout + told.stderr, words
            assert "Traceback" not in told.stderr
        monkeypatch.setenv("ASSETGEN_CACHE_REMOTE", text)
