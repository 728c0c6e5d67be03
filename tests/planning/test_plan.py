"""Planning is pure, so everything about it can be tried out."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tydust_assetgen.flow import Brief, Facts, Finish, Output, Provenance, Recipe, Section
from tydust_assetgen.generate.registry import parameter_types
from tydust_assetgen.manifest import read_manifest
from tydust_assetgen.planning.plan import FileState, Inputs, SlotState, Snapshot, Step, StoreState, plan, plan_slot
from tydust_assetgen.project.keys import Keys, Versions, keys_of
from tydust_assetgen.project.lockfile import LockedOutput, LockEntry, LockFile
from tydust_assetgen.project.project import Project
from tydust_assetgen.project.state import NOTHING

VERSIONS = Versions(generator="1", finish="1", codec="1")
BRIEF = Brief(
    generator="composer",
    prompt="calm space",
    duration_s=60,
    seed=1,
    key="D minor",
    bpm=90,
    sections=(Section("intro", 12), Section("main", 48)),
)
RECIPE = Recipe(
    slot="a.ogg",
    title="A",
    game="G",
    brief=BRIEF,
    finish=Finish(),
    outputs=(Output(path="a.ogg", codec="ogg"), Output(path="a.mp3", codec="mp3")),
)
GOOD = FileState(digest="d" * 64, size=9)


def keys(recipe: Recipe = RECIPE, versions: Versions = VERSIONS) -> Keys:
    return keys_of(recipe, versions, {})


def entry(recipe: Recipe = RECIPE, versions: Versions = VERSIONS, *, hand_made: bool = False) -> LockEntry:
    made = keys(recipe, versions)
    return LockEntry(
        slot=recipe.slot,
        title=recipe.title,
        game=recipe.game,
        take_key=made.take,
        master_key=made.master,
        outputs=tuple(
            LockedOutput(output=output, key=key, digest=GOOD.digest, size=9, hand_made=hand_made)
            for output, key in zip(recipe.outputs, made.outputs, strict=True)
        ),
        brief=recipe.brief,
        finish=recipe.finish,
        facts=Facts(),
        provenance=Provenance(generator="composer", version="1", licence="CC0-1.0"),
        versions=versions,
    )


def step(
    recipe: Recipe = RECIPE,
    locked: LockEntry | None = None,
    seen: tuple[FileState, ...] = (GOOD, GOOD),
    held: StoreState | None = None,
    versions: Versions = VERSIONS,
    forced: bool = False,
) -> Step:
    state = SlotState(
        recipe=recipe,
        keys=keys(recipe, versions),
        versions=versions,
        entry=locked,
        files=seen,
        store=held or StoreState(outputs=("", "")),
        forced=forced,
    )
    return plan_slot(state)


def changed(**brief: object) -> Recipe:
    return msgspec.structs.replace(RECIPE, brief=msgspec.structs.replace(BRIEF, **brief))


def words(planned: Step) -> list[str]:
    return [str(reason) for reason in planned.reasons]


def test_same_keys_and_same_digests_are_fresh() -> None:
    planned = step(locked=entry())
    assert planned.action == "fresh"
    assert planned.reasons == ()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"bpm": 120}, "bpm: 90 -> 120"),
        ({"key": "A minor"}, 'key: "D minor" -> "A minor"'),
        ({"key": ""}, 'key: "D minor" -> nothing'),
        ({"sections": (Section("intro", 12), Section("main", 40))}, "sections.2.seconds: 48 -> 40"),
        ({"moods": ("dark",)}, 'moods: nothing -> ["dark"]'),
        ({"parameters": {"swing": 0.5}}, "parameters.swing: nothing -> 0.5"),
        ({"seed": 2}, "seed: 1 -> 2"),
        ({"prompt": ""}, 'prompt: "calm space" -> nothing'),
    ],
)
def test_the_reason_names_the_field_with_old_and_new(change: dict[str, object], reason: str) -> None:
    planned = step(changed(**change), entry())
    assert planned.action == "generate"
    assert words(planned) == [reason]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("blue", "red"), 'prompt: "… some more blue words that …" -> "… some more red words that …"'),
        (("last", "final"), 'prompt: "… to the last one" -> "… to the final one"'),
        (("Here", "There"), 'prompt: "Here are some …" -> "There are some …"'),
        ((" last one", ""), 'prompt: "… to the last one" -> "… to the"'),
    ],
)
def test_of_a_long_text_the_changed_words_are_shown(change: tuple[str, str], reason: str) -> None:
    long = "Here are some words and some more blue words that go on and on, far over the line, to the last one"
    built = entry(changed(prompt=long))
    assert words(step(changed(prompt=long.replace(*change)), built)) == [reason]


@pytest.mark.parametrize(
    ("held", "action"), [({}, "generate"), ({"take": True}, "finish"), ({"take": True, "master": True}, "encode")]
)
def test_the_cheapest_way_is_taken(held: dict[str, bool], action: str) -> None:
    assert step(held=StoreState(outputs=("", ""), **held), seen=(FileState(), FileState())).action == action


def test_what_the_store_has_is_restored() -> None:
    planned = step(locked=entry(), seen=(FileState(), GOOD), held=StoreState(outputs=("e" * 64, "")))
    assert planned.action == "restore"
    assert [output.action for output in planned.outputs] == ["restore", "fresh"]
    assert words(planned) == ["`a.ogg` is missing"]


@pytest.mark.parametrize(
    ("versions", "reason"),
    [
        (Versions(generator="2", finish="1", codec="1"), "generator upgraded: 1 -> 2"),
        (Versions(generator="1", finish="2", codec="1"), "finishing upgraded: 1 -> 2"),
        (Versions(generator="1", finish="1", codec="2"), "encoder upgraded: 1 -> 2"),
    ],
)
def test_an_upgrade_is_named(versions: Versions, reason: str) -> None:
    assert words(step(locked=entry(), versions=versions)) == [reason]


def test_another_generator_is_a_changed_recipe_and_no_upgrade() -> None:
    planned = step(changed(generator="musicgen"), entry(), versions=Versions(generator="9", finish="1", codec="1"))
    assert words(planned) == ['generator: "composer" -> "musicgen"']


def test_what_is_stale_for_one_output_leaves_the_other() -> None:
    recipe = msgspec.structs.replace(
        RECIPE, outputs=(RECIPE.outputs[0], msgspec.structs.replace(RECIPE.outputs[1], bitrate_kbps=256))
    )
    planned = step(recipe, entry(), held=StoreState(outputs=("", ""), master=True))
    assert [output.action for output in planned.outputs] == ["fresh", "make"]
    assert words(planned) == ["mp3.bitrate_kbps: 192 -> 256"]


digests = st.sampled_from(["", "d" * 64, "e" * 64, "f" * 64])
seens = st.builds(FileState, digest=digests, damage=st.sampled_from(["", "cut"]), ours=st.booleans())
helds = st.builds(StoreState, outputs=st.tuples(digests, digests), master=st.booleans(), take=st.booleans())
recipes = st.sampled_from([RECIPE, changed(bpm=120), changed(seed=7)])


@given(recipes, st.none() | st.builds(entry, recipes, hand_made=st.booleans()), st.tuples(seens, seens), helds)
def test_a_persons_file_is_never_written_over(
    recipe: Recipe, locked: LockEntry | None, seen: tuple[FileState, FileState], held: StoreState
) -> None:
    planned = step(recipe, locked, seen, held)
    for index, output in enumerate(planned.outputs):
        known = locked.output_at(output.output.path) if locked else None
        ours = not seen[index].digest or seen[index].ours or seen[index].digest == held.outputs[index]
        ours = ours or (known is not None and seen[index].damage != "")
        lock_s = known is not None and seen[index].digest == known.digest
        if output.action in ("make", "restore"):
            assert ours or lock_s
        if lock_s and locked and locked.hand_made and known and known.key != output.key and not ours:
            assert output.action == "blocked"


@given(recipes, st.none() | st.builds(entry, recipes), st.tuples(seens, seens), helds)
def test_every_step_that_is_not_fresh_has_a_reason(
    recipe: Recipe, locked: LockEntry | None, seen: tuple[FileState, FileState], held: StoreState
) -> None:
    planned = step(recipe, locked, seen, held)
    assert (planned.action == "fresh") == (not planned.reasons)
    assert (planned.action == "fresh") == all(output.action == "fresh" for output in planned.outputs)
    for reason in planned.reasons:
        assert str(reason).strip()


@given(st.lists(st.tuples(recipes, st.none() | st.builds(entry, recipes)), max_size=6))
def test_a_plan_is_the_sum_of_its_slots(pairs: list[tuple[Recipe, LockEntry | None]]) -> None:
    states = {
        f"{index}.ogg": SlotState(
            recipe=msgspec.structs.replace(recipe, slot=f"{index}.ogg"),
            keys=keys(recipe),
            versions=VERSIONS,
            entry=locked,
            files=(GOOD, GOOD),
            store=StoreState(outputs=("", "")),
        )
        for index, (recipe, locked) in enumerate(pairs)
    }
    settled = {f"settled {index}.ogg": [f"settled {index}.ogg"] for index in range(3)}
    made = plan(snapshot((*states, *settled), states, {**settled, "nobody asked.ogg": []}))
    assert made.steps == tuple(map(plan_slot, states.values()))
    assert made.fresh + len(made.work) + len(made.with_action("blocked")) == 3 + len(pairs)


def snapshot(wanted: tuple[str, ...], states: dict[str, SlotState], settled: dict[str, list[str]]) -> Snapshot:
    return Snapshot(
        project=Project(Path("assets.toml")),
        manifest=read_manifest(Path("assets.toml"), parameter_types(), b'[game]\nname = "G"\n[music]\n'),
        lock=LockFile(),
        inputs=Inputs("", NOTHING, {}),
        wanted=wanted,
        states=states,
        settled=settled,
        stats={},
        orphans=(),
    )


@given(
    st.sampled_from(["prompt", "seed", "key", "bpm", "duration_s", "loop", "genre", "moods", "parameters"]),
    st.sampled_from([("loudness", Finish(target_lufs=-20)), ("rate", Finish(sample_rate_hz=48_000))]),
)
def test_keys_nest(field: str, finish: tuple[str, Finish]) -> None:
    values = {"prompt": "x", "seed": 2, "key": "C major", "bpm": 91.0, "duration_s": 61.0, "loop": False, "genre": "g"}
    values |= {"moods": ("dark",), "parameters": {"a": 1}}
    other = keys(changed(**{field: values[field]}))
    assert {other.take, other.master, *other.outputs}.isdisjoint({keys().take, keys().master, *keys().outputs})
    refinished = keys(msgspec.structs.replace(RECIPE, finish=finish[1]))
    assert refinished.take == keys().take
    assert {refinished.master, *refinished.outputs}.isdisjoint({keys().master, *keys().outputs})


def test_keys_do_not_depend_on_where_the_manifest_asks_or_on_the_slots_name() -> None:
    moved = msgspec.structs.replace(RECIPE, place="assets.toml:99", slot="b.ogg")
    assert keys(moved) == keys()
