"""Sounds that a slot is to follow, as the manifest names them; and the policy that holds for all slots."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tydust_assetgen.errors import Problem
from tydust_assetgen.manifest import Manifest

Read = Callable[[str], Manifest]


def slot(name: str, melody: str) -> str:
    return f'[music."{name}"]\nprompt = "pads"\ngenerator = "musicgen"\nmusicgen = {{ melody = "{melody}" }}\n'


@pytest.mark.parametrize(
    ("melody", "message"),
    [
        ("/etc/theme.ogg", "`/etc/theme.ogg` lies outside the manifest's folder"),
        ("../theme.ogg", "`../theme.ogg` lies outside the manifest's folder"),
        ("a/../../theme.ogg", "lies outside the manifest's folder"),
        ("C:/theme.ogg", "lies outside the manifest's folder"),
        ("~/theme.ogg", "lies outside the manifest's folder"),
        ("theme.mid", "`theme.mid` is no sound file by its name"),
        ("slot:a.ogg", "the slot is to follow itself"),
    ],
)
def test_names_that_can_not_be(problems: Callable[..., tuple[Problem, ...]], melody: str, message: str) -> None:
    (problem,) = problems(slot("a.ogg", melody))
    assert message in problem.message
    assert problem.slot == "a.ogg"
    assert problem.hint


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("temperature = 0", "`musicgen.temperature` must be a number above 0 to 5, not `0`"),
        ("temprature = 1", "unknown key `temprature`"),
        ('guide = "drummer"', "`musicgen.guide` must be `composer`, not `'drummer'`"),
        ("melody = 3", "`musicgen.melody` must be"),
    ],
)
def test_a_wrong_parameter_beside_them_is_a_mistake_like_any(
    problems: Callable[..., tuple[Problem, ...]], said: str, message: str
) -> None:
    (problem,) = problems(f'[music."a.ogg"]\nprompt = "pads"\ngenerator = "musicgen"\nmusicgen = {{ {said} }}\n')
    assert message in problem.message
    assert problem.place


def test_all_named_files_are_known_without_resolving(manifest: Read, tmp_path: Path) -> None:
    text = (
        '[defaults.musicgen]\nmelody = "d.ogg"\n[genre.x]\nprompt = "x"\nmusicgen = { melody = "g.ogg" }\n[music]\n'
        + '"b.ogg" = "pads"\n'
        + slot("a.ogg", "s.wav")
    )
    found = manifest(text)
    assert found.files == (tmp_path / "d.ogg", tmp_path / "g.ogg", tmp_path / "s.wav")
    assert not found.linked


def test_where_a_slot_follows_another_every_fingerprint_knows_all_slots(manifest: Read) -> None:
    linked = '[music]\n"b.ogg" = "{0}"\n' + slot("a.ogg", "slot:b.ogg")
    before, after = manifest(linked.replace("{0}", "pads")), manifest(linked.replace("{0}", "drums"))
    assert before.linked
    assert before.fingerprint("a.ogg") != after.fingerprint("a.ogg")
    alone = '[music]\n"b.ogg" = "{0}"\n' + slot("a.ogg", "b.wav")
    assert manifest(alone.replace("{0}", "pads")).fingerprint("a.ogg") == manifest(
        alone.replace("{0}", "drums")
    ).fingerprint("a.ogg")


def test_the_policy_is_in_every_fingerprint(manifest: Read) -> None:
    free, sold = (
        manifest('[music]\n"a.ogg" = "pads"'),
        manifest('[policy]\ncommercial = true\n[music]\n"a.ogg" = "pads"'),
    )
    assert (free.commercial, sold.commercial) == (False, True)
    assert free.fingerprint("a.ogg") != sold.fingerprint("a.ogg")
