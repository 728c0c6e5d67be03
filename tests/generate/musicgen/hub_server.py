"""A hub on the loopback: it speaks the few requests that Hugging Face's client makes, and can misbehave on demand."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "c0ffee" + "0" * 34


@dataclass
class Hub:
    """What the server has, what it does, and what it was asked."""

    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """Of each repository."""
    lies: dict[str, str] = field(default_factory=dict)
    """SHA-256 that it gives for a file instead of the right one."""
    sizes: dict[str, int] = field(default_factory=dict)
    """Sizes that it gives instead of the right ones."""
    closed: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Repositories that answer with a status and an error code instead."""
    cut_after: int = 0
    """Bytes after which a file's transfer is cut; 0: never."""
    cuts: int = 0
    """How many more transfers are cut; counts down."""
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    """Method, path and range of each request."""
    url: str = ""

    def sent(self, name: str) -> list[str]:
        """The ranges that were asked for of one file."""
        return [wanted for method, path, wanted in self.asked if method == "GET" and path.endswith(f"/{name}")]

    def about(self, repository: str) -> dict[str, Any]:
        siblings = []
        for name, data in self.files[repository].items():
            entry: dict[str, Any] = {"rfilename": name, "size": self.sizes.get(name, len(data))}
            entry["blobId"] = self.lies.get(name) or hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
            if name.endswith((".bin", ".safetensors")):
                digest = self.lies.get(name) or hashlib.sha256(data).hexdigest()
                entry["lfs"] = {"size": len(data), "sha256": digest, "pointerSize": 130}
            siblings.append(entry)
        return {"_id": "0", "id": repository, "modelId": repository, "sha": COMMIT, "tags": [], "siblings": siblings}


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """The hub on a free port of the loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            return

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, *, body: bool) -> None:
            hub.asked.append((self.command, self.path, self.headers.get("Range", "")))
            path = self.path.split("?")[0]
            about = re.fullmatch(r"/api/models/(.+?)(?:/revision/([^/]+))?", path)
            file = re.fullmatch(r"/(.+?)/resolve/([^/]+)/(.+)", path)
            found = about or file
            repository = found[1] if found else ""
            if repository in hub.closed:
                return self.say(hub.closed[repository][0], b"", {"X-Error-Code": hub.closed[repository][1]}, body)
            if repository not in hub.files:
                return self.say(404, b"", {"X-Error-Code": "RepoNotFound"}, body)
            assert found
            if found[2] not in (None, "main", COMMIT):
                return self.say(404, b"", {"X-Error-Code": "RevisionNotFound"}, body)
            if about:
                text = json.dumps(hub.about(repository)).encode()
                return self.say(200, text, {"Content-Type": "application/json"}, body)
            return self.send(hub.files[repository][found[3]], body)

        def send(self, data: bytes, body: bool) -> None:
            start = int((re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")) or "00")[1])
            headers = {"ETag": f'"{hashlib.sha256(data).hexdigest()}"', "X-Repo-Commit": COMMIT}
            if start:
                headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            self.say(206 if start else 200, data[start:], headers, body)

        def say(self, status: int, data: bytes, headers: dict[str, str], body: bool) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            if not body:
                return
            if hub.cuts and hub.cut_after and len(data) > hub.cut_after:
                hub.cuts -= 1
                self.wfile.write(data[: hub.cut_after])
                self.close_connection = True
                self.connection.close()
            else:
                self.wfile.write(data)

    return Handler
