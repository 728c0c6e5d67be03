"""A random walk over a small project: whatever a person does, in whatever order, what was promised must hold.

Each step is one thing that happens to a project (an edit, a damaged file, a lost store, a partial build); after it the
project is built and the promises are checked against a model that knows little: which bytes a person made.
"""

from __future__ import annotations

import contextlib
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import HEAD, Game

from tydust_assetgen import events
from tydust_assetgen.building.build import build
from tydust_assetgen.building.report import Options
from tydust_assetgen.cli.fast_path import try_fast_path
from tydust_assetgen.errors import AssetgenError
from tydust_assetgen.operations.adopt import adopt
from tydust_assetgen.operations.takes import pick, takes_of
from tydust_assetgen.planning.plan import Plan, plan
from tydust_assetgen.planning.snapshot import PlanRequest, observe_project
from tydust_assetgen.system import digest_file

SLOTS = ("a", "b", "c")
PROMPTS = ("first", "second", "third")


class Walk:
    """A project, and what the walker knows of it: the manifest, and the bytes that are a person's."""

    def __init__(self, game: Game, seed: int) -> None:
        self.game = game
        self.random = random.Random(seed)
        self.assets = "assets"
        self.manifest: dict[str, dict[str, object]] = {
            f"{name}.ogg": {"prompt": PROMPTS[0], "also": ["flac"], "quality": 3} for name in SLOTS
        }
        self.history: list[str] = []
        self.mine: dict[Path, bytes] = {}
        """Files that a person made and nobody was allowed to replace."""
        self.saved: list[tuple[dict[str, dict[str, object]], bytes | None]] = []
        self.notes = 0
        self.theme = 0
        self.save()

    # the project

    def path(self, output: str) -> Path:
        return self.game.root / self.assets / output

    def save(self) -> None:
        self.write_theme(self.game.root / "theme.wav", self.theme)
        lines = [
            f'[music."{slot}"]\nprompt = "{table["prompt"]}"\nalso = {table["also"]}\n'
            f"ogg = {{ quality = {table['quality']} }}\ntakes = {table.get('takes', 1)}\n"
            f'tone = {{ rough = true, follow = "{self.followed(slot)}" }}'
            for slot, table in self.manifest.items()
        ]
        self.game.write("\n".join(lines), HEAD.replace('"Test"', f'"Test"\nassets = "{self.assets}"'))

    def followed(self, slot: str) -> str:
        """What a slot follows: a file, or another slot, if that one is there."""
        name = str(self.manifest[slot].get("follow", ""))
        other = next((there for there in self.manifest if name > slot[0] and there.startswith(f"{name}.")), "")
        return "theme.wav" if name == "theme" else f"slot:{other}" if other else ""

    def outputs(self, slot: str) -> list[str]:
        stem, own = slot.rsplit(".", 1)
        return [slot, *(f"{stem}.{codec}" for codec in self.manifest[slot]["also"] if codec != own)]  # type: ignore[attr-defined]

    def files(self) -> list[Path]:
        tree = self.game.root / self.assets
        return sorted(path for path in tree.rglob("*") if path.is_file()) if tree.is_dir() else []

    def slot(self) -> str | None:
        return self.random.choice(list(self.manifest)) if self.manifest else None

    # what happens

    def edit_prompt(self) -> None:
        if slot := self.slot():
            self.manifest[slot] = {**self.manifest[slot], "prompt": self.random.choice(PROMPTS)}

    def edit_quality(self) -> None:
        if slot := self.slot():
            self.manifest[slot] = {**self.manifest[slot], "quality": self.random.choice((2, 3, 4))}

    def edit_also(self) -> None:
        if slot := self.slot():
            also = self.random.choice((["flac"], ["wav"], [], ["flac", "wav"]))
            self.manifest[slot] = {**self.manifest[slot], "also": also}

    def edit_takes(self) -> None:
        if slot := self.slot():
            self.manifest[slot] = {**self.manifest[slot], "takes": self.random.choice((1, 2, 3))}

    def edit_follow(self) -> None:
        """A slot follows a file, or one that is named later, so that there is no circle."""
        if slot := self.slot():
            later = [name for name in SLOTS if name > slot[0]]
            self.manifest[slot] = {**self.manifest[slot], "follow": self.random.choice(["theme", "", *later, *later])}

    def edit_theme(self) -> None:
        self.theme = self.random.randrange(3)

    def pick(self) -> None:
        """A person chooses a take, or the best again; where one of the slot's files is theirs, nothing happens."""
        if not (slot := self.slot()):
            return
        number = self.random.randint(0, int(str(self.manifest[slot].get("takes", 1))))
        before = self.game.project.lock_file.read_bytes() if self.game.project.lock_file.exists() else None
        self.history.append(f"pick {slot} {number}")
        try:
            report = pick(self.game.project, slot, number, None, self.game.pool)
        except AssetgenError:
            after = self.game.project.lock_file.read_bytes() if self.game.project.lock_file.exists() else None
            assert after == before, self.story("a pick that was refused changed the lock file")
            return
        if report.exit_code and self.may_fail(self.plan(PlanRequest(thorough=True))):
            return
        assert report.exit_code == 0, self.story(report)
        known = takes_of(self.game.project, slot)
        assert known.published == number or not number, self.story(f"{known.published} is published")
        assert [take.number for take in known.takes if take.picked] == [number][: bool(number)], self.story(known)

    def swap(self) -> None:
        if len(self.manifest) > 1:
            one, two = self.random.sample(list(self.manifest), 2)
            self.manifest[one], self.manifest[two] = self.manifest[two], self.manifest[one]

    def remove_slot(self) -> None:
        if len(self.manifest) > 1 and (slot := self.slot()):
            del self.manifest[slot]

    def add_slot(self) -> None:
        name = self.random.choice(SLOTS)
        if not any(slot.startswith(f"{name}.") for slot in self.manifest):
            own = self.random.choice(("ogg", "flac"))
            also = self.random.choice((["ogg"], ["flac"], []))
            self.manifest[f"{name}.{own}"] = {"prompt": self.random.choice(PROMPTS), "also": also, "quality": 3}

    def move_assets(self) -> None:
        self.assets = self.random.choice(("assets", "sounds"))

    def keep_version(self) -> None:
        lock = self.game.project.lock_file
        self.saved.append((dict(self.manifest), lock.read_bytes() if lock.exists() else None))

    def check_out(self) -> None:
        """`git checkout` of an earlier commit: manifest and lock file, but no outputs."""
        if not self.saved:
            return
        self.manifest, lock = dict(self.saved[-1][0]), self.saved[-1][1]
        if lock is not None:
            self.game.project.lock_file.write_bytes(lock)

    def file(self) -> Path | None:
        files = self.files()
        return self.random.choice(files) if files else None

    def delete(self) -> None:
        if path := self.file():
            path.unlink()
            self.mine.pop(path, None)

    def truncate(self) -> None:
        if path := self.file():
            path.write_bytes(path.read_bytes()[: -self.random.randrange(1, 2000)])
            self.mine.pop(path, None)

    def by_hand(self) -> None:
        if path := self.file():
            self.perform(path)

    def in_the_way(self) -> None:
        path = self.path(f"{self.random.choice(SLOTS)}.{self.random.choice(('ogg', 'flac', 'wav'))}")
        path.parent.mkdir(exist_ok=True)
        self.perform(path)

    def perform(self, path: Path) -> None:
        self.notes += 1
        time_s = np.arange(4410) / 44_100
        soundfile.write(path, 0.1 * np.sin(2 * np.pi * (200 + self.notes) * time_s), 44_100)
        self.mine[path] = path.read_bytes()

    def write_theme(self, path: Path, number: int) -> None:
        time_s = np.arange(11_025) / 22_050
        samples = 0.1 * np.sin(2 * np.pi * (300 + 20 * number) * time_s)
        if not path.exists() or np.abs(soundfile.read(path)[0] - samples).max() > 1e-3:
            soundfile.write(path, samples, 22_050)

    def adopt(self) -> None:
        if slot := self.slot():
            try:
                adopt(self.game.project, slot)
            except AssetgenError:
                return

    def force(self) -> None:
        if slot := self.slot():
            for output in self.outputs(slot):
                self.mine.pop(self.path(output), None)
            self.build(slot, force=True)

    def lose_lock(self) -> None:
        self.game.project.lock_file.unlink(missing_ok=True)

    def cut_lock(self) -> None:
        lock = self.game.project.lock_file
        if lock.exists():
            data = lock.read_bytes()
            lock.write_bytes(data[: self.random.randrange(len(data))])

    def lose_private(self) -> None:
        shutil.rmtree(self.game.project.private, ignore_errors=True)

    def lose_state(self) -> None:
        self.game.project.state.unlink(missing_ok=True)

    def lose_objects(self) -> None:
        for path in (self.game.project.private / "store").rglob("*"):
            if path.is_file() and self.random.random() < 0.3:
                path.unlink()

    def rot_objects(self) -> None:
        for path in (self.game.project.private / "store" / "objects").rglob("*"):
            if path.is_file() and self.random.random() < 0.2:
                data = path.read_bytes()
                path.write_bytes(data[:50] + bytes([data[50] ^ 1]) + data[51:])

    def collect(self) -> None:
        self.game.project.store.gc(max_bytes=self.random.choice((0, 2_000_000, None)))

    def build_some(self) -> None:
        chosen = self.random.sample(list(self.manifest), self.random.randrange(1, len(self.manifest) + 1))
        self.build(*chosen)

    def interrupted(self) -> None:
        """Ctrl-C at any moment of a build."""
        left = self.random.randrange(6)

        def press(_: events.Event) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise KeyboardInterrupt

        self.edit_prompt()
        self.save()
        with contextlib.suppress(KeyboardInterrupt):
            build(self.game.project, Options(jobs=2), press, self.game.pool)

    def meddle(self) -> None:
        """A person saves a file while its track is made."""

        def save(event: events.Event) -> None:
            if isinstance(event, events.Progressed) and event.stage == "encode":
                self.perform(self.path(self.random.choice(self.outputs(event.slot))))

        self.random.choice((self.edit_prompt, self.edit_also))()
        self.save()
        build(self.game.project, Options(jobs=2), save, self.game.pool)

    def prune(self) -> None:
        self.build(prune=True)

    def prune_some(self) -> None:
        if slot := self.slot():
            self.build(slot, prune=True)

    # what must hold

    def step(self, *, full: bool) -> None:
        name = self.random.choices(list(EVENTS), list(EVENTS.values()))[0]
        self.history.append(name)
        getattr(self, name)()
        self.save()
        self.glance_is_true()
        self.nothing_lost()
        if full:
            self.build()
            self.settled()

    def build(self, *slots: str, force: bool = False, prune: bool = False) -> None:
        self.save()
        words = f"build {' '.join(slots)} force={force} prune={prune}"
        self.history.append(words)
        planned = self.plan(PlanRequest(slots=slots, force=force, thorough=prune, with_followed=True))
        if prune:
            for orphan in planned.orphans:
                if not orphan.modified:
                    self.mine.pop(self.path(orphan.path), None)
        report = self.game.build(*slots, force=force, prune=prune)
        may_fail = self.may_fail(planned)
        failed = {result.slot for result in report.results if result.status == "failed"}
        assert failed <= may_fail, self.story(report)
        became = {result.slot: result.status for result in report.results if result.status != "fresh"}
        self.as_planned(planned, became)
        self.glance_is_true()
        self.nothing_lost()
        built = {self.path(output) for slot in slots or self.manifest for output in self.outputs(slot)}
        gone = self.hand_made_and_missing(planned) | {
            self.path(output) for slot in failed for output in self.outputs(slot)
        }
        assert all(path.exists() for path in built - gone), self.story("an output is missing")

    def hand_made_and_missing(self, planned: Plan) -> set[Path]:
        """A person's own file that they deleted, after the store that had its bytes was lost as well: nobody has it."""
        reasons = [reason for step in planned.steps for reason in step.reasons]
        return {self.path(reason.path) for reason in reasons if reason.kind == "hand-made and missing"}

    def plan(self, request: PlanRequest) -> Plan:
        return plan(observe_project(self.game.project, request))

    def may_fail(self, planned: Plan) -> set[str]:
        """Those that follow one whose file is in a person's hands, or one that may fail itself."""
        found = {step.slot for step in planned.steps if any(output.action == "blocked" for output in step.outputs)}
        for _ in SLOTS:
            found |= {step.slot for step in planned.steps if step.follows.keys() & found}
        return {step.slot for step in planned.steps if step.follows.keys() & found}

    def as_planned(self, planned: Plan, became: dict[str, str]) -> None:
        """The dry run names the slots that the build then worked at."""
        names = {"restore": "restored", "relock": "restored", "blocked": "blocked"}
        expected = {step.slot: names.get(step.action, "made") for step in planned.steps if step.action != "fresh"}
        # a damaged object is only noticed when it is read: then a slot to be restored is made
        same = {slot: status if became.get(slot) != "made" else "made" for slot, status in expected.items()}
        same |= {slot: "failed" for slot, status in became.items() if status == "failed"}
        assert became == same, self.story(f"planned {expected}, became {became}")

    def glance_is_true(self) -> None:
        if try_fast_path(["-C", str(self.game.root), "-q", "build"]) == 0:
            stale = [step for step in self.plan(PlanRequest(thorough=True)).steps if step.action != "fresh"]
            assert not stale, self.story(f"nothing to do, but {stale[0].slot}: {list(map(str, stale[0].reasons))}")
            missing = [
                output for slot in self.manifest for output in self.outputs(slot) if not self.path(output).exists()
            ]
            assert not missing, self.story(f"nothing to do, but {missing} are missing")

    def nothing_lost(self) -> None:
        """A person's bytes are where they put them, unless they asked for something else."""
        for path, data in self.mine.items():
            assert (path.read_bytes() if path.exists() else b"") == data, self.story(f"lost: {path.name}")

    def settled(self) -> None:
        """After a whole build: what is not a person's is as the lock file says, and nothing is left to do."""
        summary = self.game.build().summary
        work = (summary.generated, summary.finished, summary.encoded, summary.restored)
        assert work == (0, 0, 0, 0), self.story(f"a second build did something: {summary}")
        assert summary.failed <= len(self.may_fail(self.plan(PlanRequest(thorough=True)))), self.story(summary)
        assert summary.fresh + summary.blocked + summary.failed == len(self.manifest), self.story(summary)
        if summary.blocked:
            return
        for output in (output for slot in self.manifest for output in self.outputs(slot)):
            assert digest_file(self.path(output)) == self.locked(output), self.story(f"{output} is not the lock's")
        assert try_fast_path(["-C", str(self.game.root), "-q", "build"]) == 0, self.story("a glance sees work")
        assert not list(self.game.root.rglob(".assetgen-tmp-*")), self.story("a temporary file is left")

    def locked(self, output: str) -> str:
        """What the lock file says of an output that is asked for."""
        slot = next(slot for slot in self.manifest if output in self.outputs(slot))
        entry = self.game.lock.entry(slot)
        found = entry.output_at(output) if entry else None
        return found.digest if found else "nothing"

    def story(self, why: object) -> str:
        return f"{why}\n  after " + "\n        ".join(self.history[-25:])


EVENTS: dict[str, int] = {
    "edit_prompt": 6,
    "edit_quality": 4,
    "edit_also": 4,
    "edit_takes": 3,
    "edit_follow": 5,
    "edit_theme": 2,
    "pick": 4,
    "swap": 2,
    "remove_slot": 2,
    "add_slot": 4,
    "move_assets": 1,
    "keep_version": 2,
    "check_out": 2,
    "delete": 3,
    "truncate": 3,
    "by_hand": 3,
    "in_the_way": 2,
    "adopt": 3,
    "force": 3,
    "lose_lock": 1,
    "cut_lock": 1,
    "lose_private": 1,
    "lose_state": 1,
    "lose_objects": 2,
    "rot_objects": 1,
    "collect": 2,
    "build_some": 4,
    "interrupted": 1,
    "meddle": 1,
    "prune": 2,
    "prune_some": 1,
}


@pytest.mark.parametrize("seed", range(8))
def test_what_was_promised_holds_whatever_happens(game: Game, seed: int) -> None:
    walk = Walk(game, seed)
    walk.build()
    for number in range(14):
        walk.step(full=number % 2 == 1)
