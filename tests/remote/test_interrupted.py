"""Killed in the middle of an upload: nothing half stands under a final name."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import environment

from tydust_assetgen.remote.address import Address, read_address
from tydust_assetgen.remote.local import Directory
from tydust_assetgen.remote.remote import open_transport
from tydust_assetgen.system import TEMPORARY_PREFIX

from .conftest import until

SENDER = """
import hashlib, sys
from pathlib import Path
from tydust_assetgen.remote.address import read_address
from tydust_assetgen.remote.remote import open_transport
way = open_transport(read_address(sys.argv[1]), Path.cwd(), 60)
for number in range(10_000):
    data = number.to_bytes(4, "big") * 2_000_000
    print("sending", flush=True)
    way.put("cas/" + hashlib.sha256(data).hexdigest(), data)
"""
_SIZE = 8_000_000


def _killed_after(address: str, seconds: float, tmp_path: Path) -> None:
    words = [sys.executable, "-c", SENDER, address]
    with subprocess.Popen(words, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE) as sender:
        assert sender.stdout is not None
        assert sender.stdout.readline() == b"sending\n"
        time.sleep(seconds)
        sender.kill()


@pytest.mark.parametrize("cache", ["directory", "http", "sftp"], indirect=True)
def test_nothing_half_stands_under_a_final_name(cache: str, tmp_path: Path) -> None:
    for seconds in (0.005, 0.02, 0.05, 0.12):
        _killed_after(cache, seconds, tmp_path)
    address = read_address(cache)
    assert isinstance(address, Address)
    way = open_transport(address, tmp_path, 20)
    time.sleep(0.2)  # what the server still does with a broken upload
    names = [hashlib.sha256(number.to_bytes(4, "big") * 2_000_000).hexdigest() for number in range(4)]
    found = {name: way.get(f"cas/{name}", _SIZE) for name in names}
    assert all(data is None or hashlib.sha256(data).hexdigest() == name for name, data in found.items())


def test_what_a_killed_sender_left_goes_after_a_day(folder: Path) -> None:
    Directory(folder).put("ac/first", b"a whole one, which marks the folder")
    old, new, other = (folder / "tmp" / f"{TEMPORARY_PREFIX}{name}" for name in ("1-a", "1-b", "of somebody else"))
    for path in (old, new, other):
        path.write_bytes(b"half")
        os.utime(path, (time.time() - (0 if path == new else 90_000),) * 2)
    Directory(folder).get("ac/first", 100)
    assert old.exists()
    Directory(folder).put("ac/second", b"another")
    assert [path.exists() for path in (old, new, other)] == [False, True, True]


def test_an_interrupted_build_does_not_wait_for_its_uploads(tmp_path: Path, folder: Path) -> None:
    """Ctrl-C ends it at once, though the folder of the cache hangs; what was made is kept."""
    fifo = folder / "ac"
    fifo.mkdir()
    game = tmp_path / "game"
    game.mkdir()
    (game / "assets.toml").write_text(
        f'[game]\nname = "T"\n[cache]\nremote = "{folder}"\n[defaults]\ngenerator = "tone"\nduration = 2\n'
        '[music."one.ogg"]\nprompt = "a"\n[music."two.ogg"]\nprompt = "b"\ntone = { slow_s = 60 }\n'
    )
    words = [sys.executable, "-m", "tydust_assetgen", "build"]
    build = subprocess.Popen(words, cwd=game, env=environment(), stderr=subprocess.PIPE, start_new_session=True)
    until(lambda: (game / "assets/one.ogg").exists(), 60)
    until(lambda: len(list(fifo.iterdir())) == 2, 60)
    begun = time.monotonic()
    build.send_signal(2)
    assert build.wait(30) == 130
    assert time.monotonic() - begun < 30
    build.communicate()
