"""A remote on a machine with SSH, over SFTP, through paramiko.

Host keys must be known (`~/.ssh/known_hosts`); users, ports, names and keys are those of `~/.ssh/config` and the agent.
fsspec's own SFTP accepts any host key, so it is not used.
"""

from __future__ import annotations

import contextlib
import os
import queue
import stat
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tydust_assetgen.remote import DistrustError, RemoteError
from tydust_assetgen.remote.address import Address

if TYPE_CHECKING:
    import paramiko

_CONNECT_S = 5.0
_TEMPORARY = "tmp"
_CHUNK_BYTES = 1 << 18


class Sftp:
    """Satisfies `Transport`. One connection, and a channel for each thread that is at work."""

    def __init__(self, address: Address, timeout_s: float) -> None:
        self._ssh = _connect(address, min(_CONNECT_S, timeout_s))
        self._timeout_s = timeout_s
        self._idle: queue.SimpleQueue[paramiko.SFTPClient] = queue.SimpleQueue()
        self._made = set[str]()
        self._lock = threading.Lock()
        # `sftp://host/path` is from the root, `sftp://host/~/path` from the home folder
        self._base = address.path.removeprefix("~/") if address.path.startswith("~/") else f"/{address.path}"
        with self._channel() as channel:
            if not _is_folder(channel, self._base):
                raise RemoteError("there is no such folder", "make it once")

    def get(self, name: str, max_bytes: int) -> bytes | None:
        with self._channel() as channel:
            try:
                size = channel.stat(f"{self._base}/{name}").st_size or 0
                if size > max_bytes:
                    raise DistrustError("it is larger than it should be")
                with channel.open(f"{self._base}/{name}", "rb") as file:
                    file.prefetch(size)
                    data: bytes = file.read(max_bytes)
                    return data
            except FileNotFoundError:
                return None

    def has(self, name: str) -> bool:
        with self._channel() as channel:
            try:
                channel.stat(f"{self._base}/{name}")
            except FileNotFoundError:
                return False
            return True

    def put(self, name: str, data: bytes) -> None:
        """A temporary name, then a rename that replaces."""
        temporary = f"{self._base}/{_TEMPORARY}/{os.urandom(8).hex()}"
        with self._channel() as channel:
            self._make(channel, _TEMPORARY)
            self._make(channel, name.rpartition("/")[0])
            try:
                with channel.open(temporary, "wb") as file:
                    file.set_pipelined(True)
                    for at in range(0, len(data), _CHUNK_BYTES):
                        file.write(data[at : at + _CHUNK_BYTES])
                channel.posix_rename(temporary, f"{self._base}/{name}")
            except BaseException:
                with contextlib.suppress(OSError):
                    channel.remove(temporary)
                raise

    def _make(self, channel: paramiko.SFTPClient, folder: str) -> None:
        with self._lock:
            if folder in self._made:
                return
            if not _is_folder(channel, f"{self._base}/{folder}"):
                with contextlib.suppress(OSError):  # somebody else made it in this moment
                    channel.mkdir(f"{self._base}/{folder}")
            self._made.add(folder)

    @contextlib.contextmanager
    def _channel(self) -> Iterator[paramiko.SFTPClient]:
        """A channel of one's own: paramiko's may not be shared. One that was hurt is not used again."""
        try:
            channel = self._idle.get_nowait()
        except queue.Empty:
            channel = self._ssh.open_sftp()
            if (inner := channel.get_channel()) is not None:
                inner.settimeout(self._timeout_s)
        try:
            yield channel
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise RemoteError("no answer in time") from None
            raise
        self._idle.put(channel)


def _is_folder(channel: paramiko.SFTPClient, path: str) -> bool:
    try:
        return stat.S_ISDIR(channel.stat(path).st_mode or 0)
    except FileNotFoundError:
        return False


def _connect(address: Address, connect_s: float) -> paramiko.SSHClient:
    try:
        import paramiko
    except ImportError:
        hint = 'pip install "tydust-assetgen[remote]"'
        raise RemoteError("`sftp:` needs the package paramiko, which is not here", hint) from None
    own = _own_settings(address.host)
    host = own.get("hostname", address.host)
    ssh = paramiko.SSHClient()
    ssh.load_system_host_keys()
    ssh.set_missing_host_key_policy(paramiko.RejectPolicy())
    try:
        ssh.connect(
            host,
            port=address.port or int(own.get("port", 22)),
            username=address.user or own.get("user"),
            password=address.password or None,
            key_filename=[os.path.expanduser(file) for file in own.get("identityfile", [])] or None,
            timeout=connect_s,
            banner_timeout=connect_s,
            auth_timeout=connect_s,
        )
    except paramiko.AuthenticationException:
        raise RemoteError("it lets us not in", "is your key in the agent, and the user's name right?") from None
    except paramiko.SSHException as error:
        known = "known_hosts" in str(error)
        hint = "`ssh HOST` once, and compare the key" if known else ""
        raise RemoteError(
            "its host key is not known" if known else "it does not speak SSH as it should", hint
        ) from None
    return ssh


def _own_settings(host: str) -> dict[str, Any]:
    """What `~/.ssh/config` says of a host."""
    import paramiko

    try:
        found = paramiko.SSHConfig.from_path(os.path.expanduser("~/.ssh/config")).lookup(host)
    except (OSError, paramiko.SSHException):
        return {}
    return dict(found)
