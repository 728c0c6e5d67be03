"""Keys stay what they were: a tree that an older assetgen built is still fresh, and names do not enter."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tydust_assetgen.flow import Brief, Finish, Output, Recipe, Reference, Section
from tydust_assetgen.project.keys import Keys, Versions, keys_of

BRIEF = Brief(
    generator="composer",
    prompt="calm, D minor",
    duration_s=12.5,
    seed=7,
    genre="synthwave",
    key="D minor",
    bpm=100.0,
    sections=(Section("intro", 4.0, "quiet"),),
    instruments=("pad",),
    moods=("calm",),
    parameters={"z": 1, "a": 0.5},
)


def keys(brief: Brief) -> Keys:
    outputs = (Output(path="a.ogg", codec="ogg"),)
    recipe = Recipe(slot="a.ogg", title="A", game="G", brief=brief, finish=Finish(), outputs=outputs)
    return keys_of(recipe, Versions(generator="1", finish="1", codec="1"), {"w": "x"})


def following(name: str, digest: str, role: str = "melody") -> Brief:
    parameters = {"melody": "", "continue_from": "", role: name}
    return msgspec.structs.replace(BRIEF, references=(Reference(name, digest),), parameters=parameters)


def test_keys_are_those_of_the_assetgen_before_there_were_takes() -> None:
    found = keys(BRIEF)
    assert found.take == "923b3667d7e936eac9ec8fc3791fd14ac85c704f3391c4754afc9335b101c68e"
    assert found.master == "5e61b38ba0b071c0b1934cdcb16aa89f0b83a59aae96407674d4898be7fb90f1"
    assert found.outputs == ("191f73465ededaefd270358674eae4fc83f5f60990b48755ba5811a047c06544",)


@given(st.integers(1, 6), st.integers(0, 6))
def test_a_take_has_one_key_however_many_stand_beside_it(takes: int, pick: int) -> None:
    found = keys(msgspec.structs.replace(BRIEF, takes=takes, pick=min(pick, takes)))
    assert found.candidates[0] == keys(BRIEF).take
    assert len({*found.candidates, found.take}) == takes + (takes > 1 and not pick)


def test_a_file_to_hear_is_known_by_its_content_and_by_what_it_is_for() -> None:
    one = keys(following("theme.ogg", "1" * 64))
    assert keys(following("music/theme.ogg", "1" * 64)) == one
    assert keys(following("theme.ogg", "2" * 64)).take != one.take
    assert keys(following("theme.ogg", "1" * 64, role="continue_from")).take != one.take
