"""One suite for every generator that is installed: what a build relies on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from conftest import environment

from tydust_assetgen.disk import digest_bytes
from tydust_assetgen.flow import Brief, Section, Take
from tydust_assetgen.generate.protocol import Generator, Shelf
from tydust_assetgen.generate.registry import generator, generators

NAMES = sorted(generators())
SHELF = Shelf(Path())


@pytest.fixture(params=NAMES)
def made_by(request: pytest.FixtureRequest) -> Generator:
    return generator(request.param)


def brief_for(made_by: Generator, **changes: object) -> Brief:
    brief = Brief(
        generator=made_by.name,
        prompt="Synthwave, calm and mysterious, D minor, 120 BPM, warm pads, soft drum machine",
        duration_s=8.0,
        seed=7,
        genre="synthwave",
        key="D minor",
        bpm=120,
        sections=(Section("intro", 4, "sparse pads"), Section("main", 4, "full arpeggios")),
        parameters=msgspec.to_builtins(made_by.parameters()),
    )
    return msgspec.structs.replace(brief, **changes)


def play(made_by: Generator, *briefs: Brief) -> list[Take]:
    return made_by.generate(briefs, SHELF, lambda *_: None)


def digest(take: Take) -> str:
    return digest_bytes(take.audio.samples.tobytes())


def test_it_is_available_or_says_why_not(made_by: Generator) -> None:
    assert made_by.available() == ""
    assert made_by.check(brief_for(made_by), SHELF) == ()
    assert made_by.estimate_s(brief_for(made_by)) > 0
    assert made_by.name in NAMES
    assert made_by.version
    assert made_by.licence(brief_for(made_by))


def test_length_rate_and_level(made_by: Generator) -> None:
    (take,) = play(made_by, brief_for(made_by))
    assert take.audio.samples.dtype == np.float32
    assert take.audio.channels in (1, 2)
    exact = (take.facts.loop_frames or take.audio.frames) / take.audio.rate_hz
    assert exact == pytest.approx(8.0, abs=1.0)
    assert np.isfinite(take.audio.samples).all()
    rms = float(np.sqrt(np.mean(np.square(take.audio.samples, dtype=np.float64))))
    assert -50 < 20 * np.log10(rms) < 0
    assert np.abs(take.audio.samples).max() < 4.0


def test_the_same_brief_gives_the_same_samples(made_by: Generator) -> None:
    brief = brief_for(made_by)
    assert digest(play(made_by, brief)[0]) == digest(play(made_by, brief)[0])


def test_what_is_made_beside_it_makes_no_difference(made_by: Generator) -> None:
    brief = brief_for(made_by)
    other = brief_for(made_by, seed=99, prompt="Something else entirely, G major", duration_s=4.0, sections=())
    alone = digest(play(made_by, brief)[0])
    assert digest(play(made_by, other, brief)[1]) == alone
    assert digest(play(made_by, brief, other)[0]) == alone


def test_another_process_gives_the_same_samples(made_by: Generator) -> None:
    brief = brief_for(made_by)
    code = (
        "import sys, msgspec; from tydust_assetgen.flow import Brief; from tydust_assetgen.disk import digest_bytes; "
        "from tydust_assetgen.generate.registry import generator; from pathlib import Path; "
        "from tydust_assetgen.generate.protocol import Shelf; "
        "brief = msgspec.json.decode(sys.stdin.buffer.read(), type=Brief); "
        "take = generator(brief.generator).generate([brief], Shelf(Path()), lambda *_: None)[0]; "
        "print(digest_bytes(take.audio.samples.tobytes()))"
    )
    env = {**environment(), "PYTHONHASHSEED": "12345", "PYTHONWARNINGS": "default"}
    done = subprocess.run(
        [sys.executable, "-c", code], input=msgspec.json.encode(brief), env=env, capture_output=True, check=True
    )
    assert done.stdout.decode().strip() == digest(play(made_by, brief)[0])


@pytest.mark.parametrize("change", [{"prompt": "Synthwave, bright and fast, D minor, 120 BPM, brass"}, {"seed": 8}])
def test_another_prompt_or_seed_gives_other_samples(made_by: Generator, change: dict[str, object]) -> None:
    one, other = play(made_by, brief_for(made_by))[0], play(made_by, brief_for(made_by, **change))[0]
    assert digest(one) != digest(other)


def test_progress_goes_up(made_by: Generator) -> None:
    told: list[tuple[int, float]] = []
    made_by.generate([brief_for(made_by)], SHELF, lambda index, share, note="": told.append((index, share)))
    shares = [share for index, share in told if index == 0]
    assert shares == sorted(shares)
    assert all(0 <= share <= 1 for share in shares)
    assert {index for index, _ in told} <= {0}


def test_provenance_names_the_maker(made_by: Generator) -> None:
    (take,) = play(made_by, brief_for(made_by))
    assert take.provenance.licence == made_by.licence(brief_for(made_by))
    assert take.provenance.version == made_by.version
