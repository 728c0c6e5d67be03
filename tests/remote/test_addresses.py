"""Addresses: what is one, what is refused, and that no secret is ever shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tydust_assetgen.cache.config import settings_of
from tydust_assetgen.errors import ManifestError
from tydust_assetgen.generate.registry import parameter_types
from tydust_assetgen.manifest import read_manifest
from tydust_assetgen.remote.address import Address, Objection, read_address

from .conftest import ONE, MakeGame


@pytest.mark.parametrize(
    ("text", "scheme", "shown", "path"),
    [
        ("/mnt/cache", "directory", "/mnt/cache", "/mnt/cache"),
        ("../cache", "directory", "../cache", "../cache"),
        ("C:\\cache", "directory", "C:\\cache", "C:\\cache"),
        ("file:///mnt/my%20cache", "directory", "/mnt/my cache", "/mnt/my cache"),
        ("file:/mnt/cache", "directory", "/mnt/cache", "/mnt/cache"),
        ("https://cache.example.org:8443/game/", "https", "https://cache.example.org:8443/game", "game"),
        ("http://[::1]:80/x", "http", "http://[::1]:80/x", "x"),
        ("s3://Bucket/a/b", "s3", "s3://Bucket/a/b", "a/b"),
        ("gcs://bucket", "gs", "gs://bucket", ""),
        ("az://container/x", "az", "az://container/x", "x"),
        ("sftp://ci@host:2222/srv/cache", "sftp", "sftp://host:2222/srv/cache", "srv/cache"),
    ],
)
def test_an_address(text: str, scheme: str, shown: str, path: str) -> None:
    found = read_address(text)
    assert isinstance(found, Address)
    assert (found.scheme, found.shown, found.path) == (scheme, shown, path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("https://ann:hunter2@host/x", "a user or a password"),
        ("https://hunter2@host/x", "a user or a password"),
        ("sftp://ann:hunter2@host/x", "a user or a password"),
        ("s3://hunter2:hunter2@bucket", "a user or a password"),
        ("https://host/x?sig=hunter2", "a `?` or a `#`"),
        ("ftp://host/x", "no remote of the kind `ftp:`"),
        ("s3:/bucket", "names no host or bucket"),
        ("https:///x", "names no host or bucket"),
        ("http://host:99999/", "no URL"),
        ("file://server/share", "names the machine `server`"),
    ],
)
def test_a_manifest_is_refused_with_its_place(machine: MakeGame, text: str, words: str) -> None:
    game = machine("ann", text)
    with pytest.raises(ManifestError) as raised:
        read_manifest(game.project.manifest, {})
    problem = next(one for one in raised.value.problems if "cache.remote" in one.message)
    assert words in problem.message
    assert problem.place == "assets.toml:5"
    assert problem.hint or "URL" in words
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("value", ["5", '["https://ann:hunter2@host/x", 5]', '{ a = "hunter2" }', '""'])
def test_other_types_are_refused_without_showing_them(machine: MakeGame, value: str) -> None:
    game = machine("ann", [])
    game.write(ONE, f'[game]\nname = "T"\n[cache]\nremote = {value}\n')
    with pytest.raises(ManifestError, match=r"cache\.remote") as raised:
        read_manifest(game.project.manifest, {})
    assert "hunter2" not in str(raised.value)


def test_the_environment_may_hold_a_password(machine: MakeGame) -> None:
    manifest = read_manifest(machine("ann", "/mnt/a").project.manifest, parameter_types())
    around = {"ASSETGEN_CACHE_REMOTE": "https://ann:hunter2@host/x  /mnt/b", "ASSETGEN_CACHE_SECRET": "s3cret"}
    found = settings_of(manifest.cache, around)
    assert [one.shown for one in found.remotes] == ["https://host/x", "/mnt/b"]
    assert (found.remotes[0].user, found.remotes[0].password) == ("ann", "hunter2")
    assert "s3cret" not in repr(found)


@given(st.text(max_size=60), st.sampled_from(["", "s3://", "https://", "sftp://", "file:", "http://u:p@"]))
def test_any_text_is_an_address_or_refused(text: str, head: str) -> None:
    found = read_address(head + text)
    assert isinstance(found, Objection) or found.shown


@given(st.from_regex(r"[a-z0-9]{8,20}", fullmatch=True), st.from_regex(r"[a-z]{1,9}", fullmatch=True))
def test_a_password_is_never_shown(password: str, host: str) -> None:
    for text in (f"https://u:{password}@{host}/x", f"sftp://u:{password}@{host}", f"s3://u:{password}@{host}/x"):
        allowed, refused = read_address(text, secrets=True), read_address(text)
        assert isinstance(allowed, Address)
        assert isinstance(refused, Objection)
        assert allowed.password == password
        assert f"{password}@" not in allowed.shown + refused.message + refused.hint
