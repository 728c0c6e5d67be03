"""What is never shown on a terminal, whoever put it into a message."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tydust_assetgen.cli.terminal import escaped, redacted


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ask https://ann:secret@host/a", "ask https://…@host/a"),
        ("ask https://token@host:80/a", "ask https://…@host:80/a"),
        ("`ann:secret@host`", "`…@host`"),
        ("ann:secret@", "…@"),
        ("https://ann:se@cr:et@host/a", "https://…@host/a"),
        ("https://ann:se/cr@et@host/a", "https://…@host/a"),
        ("ann:se@cret@host", "…@host"),
        ("https://ann:secret@one,https://bob:hidden@two", "https://…@one,https://…@two"),
        ("//ann:secret@host", "//…@host"),
        ("https://host/path/ann:secret@other", "https://host/path/…@other"),
        ('{"message":"no https://ann:secret@host"}', '{"message":"no https://…@host"}'),
        ("assets/icon@2x.png, C:/icon@2x.png", "assets/icon@2x.png, C:/icon@2x.png"),
        ("ann@example.org", "ann@example.org"),
        ("https://host:8080/a@b", "https://host:8080/a@b"),
        ("https://[::1]/a@b", "https://[::1]/a@b"),
    ],
)
def test_a_login_is_not_shown(text: str, shown: str) -> None:
    assert redacted(text) == shown


SECRET = st.text(st.characters(exclude_characters="\"'`", exclude_categories=["Z", "C"]), min_size=8)


@given(SECRET, st.sampled_from(["", "https://", "sftp://", "see ", "`", "a/b "]))
def test_no_password_is_shown(secret: str, before: str) -> None:
    secret = "".join(secret.split()).replace("/", "")
    shown = redacted(f"{before}ann:{secret}@host")
    assert shown.endswith("…@host")
    assert secret not in shown or not secret


@pytest.mark.timeout(60)
@pytest.mark.parametrize("piece", ["a", "a:", ":", "//a", "a/", "@", "a:b@", "a//b:c@/d", "https://a:", "\x1b"])
def test_a_long_message_is_shown_at_once(piece: str) -> None:
    """A message may quote a whole file. It took 8 s for 64 kB when each letter was tried as a beginning."""
    text = piece * (400_000 // len(piece)) + " x@y"
    assert escaped(text).endswith(" x@y")
