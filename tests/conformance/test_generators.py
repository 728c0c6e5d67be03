"""One suite for every generator that is installed: what a build relies on."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
import pytest
from conftest import environment

from tests.generate.musicgen import caches
from tydust_assetgen.flow import Brief, Scalar, Section, Take
from tydust_assetgen.generate.protocol import Generator, Shelf
from tydust_assetgen.generate.registry import generator, generators
from tydust_assetgen.system import digest_bytes

SHELF = Shelf(Path())
OTHERS = sorted(set(generators()) - {"musicgen"})
MODELS = ("t5", "stereo", "melody")
"""Tiny MusicGen checkpoints; the one for melodies follows the composer."""


@dataclass(frozen=True)
class Subject:
    """A generator under test, with parameters that let it work here."""

    made_by: Generator
    parameters: dict[str, Scalar] = field(default_factory=dict)
    duration_s: float = 8.0

    def brief(self, **changes: object) -> Brief:
        half_s = self.duration_s / 2
        brief = Brief(
            generator=self.made_by.name,
            prompt="Synthwave, calm and mysterious, D minor, 120 BPM, warm pads, soft drum machine",
            duration_s=self.duration_s,
            seed=7,
            genre="synthwave",
            key="D minor",
            bpm=120,
            sections=(Section("intro", half_s, "sparse pads"), Section("main", half_s, "full arpeggios")),
            parameters=msgspec.to_builtins(msgspec.convert(self.parameters, self.made_by.parameters)),
        )
        return msgspec.structs.replace(brief, **changes)


@pytest.fixture(params=[*OTHERS, *(f"musicgen-{kind}" for kind in MODELS)])
def subject(request: pytest.FixtureRequest) -> Subject:
    name, _, kind = request.param.partition("-")
    return _musicgen(kind) if name == "musicgen" else Subject(generator(name))


def _musicgen(kind: str) -> Subject:
    pytest.importorskip("audiocraft")
    model = str(caches.checkpoint(kind).folder)
    guide = "composer" if kind == "melody" else ""
    return Subject(generator("musicgen"), {"model": model, "extend_stride": 2.5, "guide": guide}, duration_s=4.0)


def play(subject: Subject, *briefs: Brief) -> list[Take]:
    takes = dict(subject.made_by.generate(briefs, SHELF, lambda *_: None))
    return [takes[index] for index in range(len(briefs))]


def digest(take: Take) -> str:
    return digest_bytes(take.audio.samples.tobytes())


def test_it_is_available_or_says_why_not(subject: Subject) -> None:
    made_by, brief = subject.made_by, subject.brief()
    assert made_by.available() == ""
    assert made_by.check(brief, SHELF) == ()
    assert made_by.estimate_s(brief) > 0
    assert made_by.name in generators()
    assert made_by.version
    assert made_by.licence(brief)


def test_length_rate_and_level(subject: Subject) -> None:
    (take,) = play(subject, subject.brief())
    assert take.audio.samples.dtype == np.float32
    assert take.audio.channels in (1, 2)
    exact = (take.facts.loop_frames or take.facts.near_frames or take.audio.frames) / take.audio.rate_hz
    assert exact == pytest.approx(subject.duration_s, abs=1.0)
    assert np.isfinite(take.audio.samples).all()
    rms = float(np.sqrt(np.mean(np.square(take.audio.samples, dtype=np.float64))))
    assert -50 < 20 * np.log10(rms) < 0
    assert np.abs(take.audio.samples).max() < 4.0


def test_the_same_brief_gives_the_same_samples(subject: Subject) -> None:
    brief = subject.brief()
    assert digest(play(subject, brief)[0]) == digest(play(subject, brief)[0])


def test_what_is_made_beside_it_makes_no_difference(subject: Subject) -> None:
    brief = subject.brief()
    other = subject.brief(seed=99, prompt="Something else entirely, G major", duration_s=3.0, sections=())
    alone = digest(play(subject, brief)[0])
    assert digest(play(subject, other, brief)[1]) == alone
    assert digest(play(subject, brief, other)[0]) == alone


def test_another_process_gives_the_same_samples(subject: Subject) -> None:
    brief = subject.brief()
    code = (
        "import sys, msgspec; from tydust_assetgen.flow import Brief; from tydust_assetgen.system import digest_bytes; "
        "from tydust_assetgen.generate.registry import generator; from pathlib import Path; "
        "from tydust_assetgen.generate.protocol import Shelf; "
        "brief = msgspec.json.decode(sys.stdin.buffer.read(), type=Brief); "
        "((_, take),) = generator(brief.generator).generate([brief], Shelf(Path()), lambda *_: None); "
        "print(digest_bytes(take.audio.samples.tobytes()))"
    )
    env = {**environment(), "PYTHONHASHSEED": "12345", "PYTHONWARNINGS": "default"}
    done = subprocess.run(
        [sys.executable, "-c", code], input=msgspec.json.encode(brief), env=env, capture_output=True, check=True
    )
    assert done.stdout.decode().strip() == digest(play(subject, brief)[0])


@pytest.mark.parametrize("change", [{"prompt": "Synthwave, bright and fast, D minor, 120 BPM, brass"}, {"seed": 8}])
def test_another_prompt_or_seed_gives_other_samples(subject: Subject, change: dict[str, object]) -> None:
    one, other = play(subject, subject.brief())[0], play(subject, subject.brief(**change))[0]
    assert digest(one) != digest(other)


def test_progress_goes_up(subject: Subject) -> None:
    told: list[tuple[int, float]] = []
    list(subject.made_by.generate([subject.brief()], SHELF, lambda index, share, note="": told.append((index, share))))
    shares = [share for index, share in told if index == 0]
    assert shares == sorted(shares)
    assert all(0 <= share <= 1 for share in shares)
    assert {index for index, _ in told} <= {0}


def test_provenance_names_the_maker(subject: Subject) -> None:
    (take,) = play(subject, subject.brief())
    assert take.provenance.licence == subject.made_by.licence(subject.brief())
    assert take.provenance.version == subject.made_by.version
