"""The generator as a build sees it: what it says beforehand, and the takes that it makes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from conftest import environment

from tests.generate.musicgen.briefs import EMPTY, RATE_HZ, brief_for, perform
from tydust_assetgen.errors import GenerationError, UnavailableError
from tydust_assetgen.flow import Brief, Finish, Recipe, Section, SectionTime, Take
from tydust_assetgen.generate.musicgen import MusicGen
from tydust_assetgen.generate.musicgen.spec.estimates import parameters_of
from tydust_assetgen.generate.musicgen.spec.windows import Clock, margin_s, plan_windows
from tydust_assetgen.project.keys import Versions, keys_of

if TYPE_CHECKING:
    from tests.generate.musicgen.checkpoints import Checkpoint

MADE_BY = MusicGen()
SECTIONS = (Section("intro", 2.0, "soft pads"), Section("main", 2.5, "driving drums"))


# At planning


def test_planning_loads_neither_torch_nor_numpy() -> None:
    code = (
        "import sys, msgspec; from pathlib import Path; from tydust_assetgen.flow import Brief; "
        "from tydust_assetgen.generate.musicgen import MusicGen; from tydust_assetgen.generate.protocol import Shelf; "
        "made_by, shelf = MusicGen(), Shelf(Path()); "
        "brief = Brief(generator='musicgen', prompt='calm', duration_s=60, seed=1, "
        "parameters=msgspec.to_builtins(made_by.parameters(model='melody', guide='composer'))); "
        "made_by.available(), made_by.check(brief, shelf), made_by.cautions(brief, shelf), "
        "made_by.key_parameters(brief, shelf), made_by.estimate_s(brief), made_by.licence(brief); "
        "print(*[name for name in ('torch', 'numpy', 'audiocraft', 'transformers') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def problems(model: str = "medium", duration_s: float = 60.0, **parameters: Any) -> list[str]:
    sections = parameters.pop("sections", ())
    asked = {"model": model, "extend_stride": 18.0, **parameters}
    brief = brief_for(model, duration_s, sections=sections, loop=True, parameters=asked)
    return [str(problem) for problem in MADE_BY.check(brief, EMPTY)]


@pytest.mark.parametrize("model", ["small", "large", "melody", "stereo-large", "facebook/musicgen-small", "a/b"])
def test_a_plan_is_made_without_weights(model: str) -> None:
    assert problems(model) == []
    assert problems(model, 600.0) == []


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"model": "smal"}, "no model is called `smal`\n  hint: did you mean `small`?"),
        ({"model": "style"}, "`style` is a style model, and audiocraft 1.3.0 has no style conditioner"),
        ({"revision": "../../x"}, "`../../x` is no revision"),
        ({"model": "./nowhere"}, "there is no model in the folder `./nowhere`"),
        (
            {"melody": "ref.ogg"},
            '`melody` is set, but `medium` follows no melody: it is a text model\n  hint: use `model = "melody"`',
        ),
        (
            {"model": "stereo-small", "guide": "composer"},
            "`guide` is set, but `stereo-small` follows no melody: it is a text model\n"
            '  hint: use `model = "stereo-melody"`',
        ),
        (
            {"model": "melody", "guide": "composer", "melody": "ref.ogg"},
            "`melody` and `guide` both say what melody is followed",
        ),
        ({"model": "stereo-small", "width": 0.5}, "`width` makes stereo of a mono model's sound"),
        ({"per_section": True}, "`per_section` is set, but the slot has no sections"),
        (
            {"device": "cpu", "precision": "fp16"},
            'a CPU can\'t play in `fp16`\n  hint: `precision = "auto"` takes fp32 on a CPU, and fp16 on a GPU',
        ),
        ({"device": "cuda", "precision": "int8"}, "a GPU can't play in `int8`"),
        ({"duration_s": 601.0}, "musicgen can't make 601 s"),
        ({"model": "melody", "guide": "composer", "sections": (Section("a", 0.1),) * 90}, "90 sections don't fit into"),
    ],
)
def test_what_it_cannot_do_is_said_beforehand(asked: dict[str, Any], said: str) -> None:
    (problem,) = problems(**asked)
    assert said in problem


def test_what_goes_together_is_allowed() -> None:
    assert problems("melody", melody="ref.ogg", continue_from="other.ogg") == []
    assert problems("melody", guide="composer") == []
    for precision in ("fp32", "fp16", "bf16", "int8"):
        assert problems("medium", precision=precision) == []  # on a device that may be in another machine
    for device, precisions in {"cuda": ("fp32", "fp16", "bf16"), "cpu": ("fp32", "bf16", "int8")}.items():
        assert [problems("medium", device=device, precision=each) for each in ("auto", *precisions)] == [[]] * 4
    assert problems("medium", per_section=True, sections=SECTIONS) == []
    assert problems("small", width=1.0, two_step_cfg=True, cfg_coef=5.0) == []


def test_windows_must_overlap_where_there_are_several(tiny_t5: Checkpoint) -> None:
    def said(duration_s: float, **parameters: Any) -> list[str]:
        return problems(str(tiny_t5.folder), duration_s, **{"extend_stride": 4.0, **parameters})

    assert said(3.0) == []
    (problem,) = said(4.5)
    assert "`extend_stride` is 4 s, but" in problem
    assert "hears 4 s at a time\n  hint: about 2.4 is a good value" in problem
    assert len(said(3.0, continue_from="ref.ogg")) == 1
    assert said(4.5, extend_stride=3.9) == []


def test_a_folder_that_is_refused_is_refused_at_planning(tiny_t5: Checkpoint, tmp_path: Path) -> None:
    for name in ("state_dict.bin", "compression_state_dict.bin"):
        (tmp_path / name).write_bytes((tiny_t5.folder / name).read_bytes())
    assert problems(str(tmp_path), extend_stride=2.5) == []
    (tmp_path / "state_dict.bin").write_bytes(b"not a zip")
    (problem,) = problems(str(tmp_path))
    assert "can't be used: `state_dict.bin` is not a zip" in problem


def test_key_parameters_follow_the_weights(tiny_t5: Checkpoint, tiny_stereo: Checkpoint) -> None:
    one, other = (MADE_BY.key_parameters(brief_for(each.folder), EMPTY) for each in (tiny_t5, tiny_stereo))
    assert one.keys() == {"weights"}
    assert len(str(one["weights"])) == 64
    assert one != other
    assert MADE_BY.key_parameters(brief_for("medium"), EMPTY) == {"weights": ""}
    guided = brief_for("melody", parameters={"guide": "composer"})
    assert MADE_BY.key_parameters(guided, EMPTY) == {"weights": "", "composer": "1"}


def test_the_licence_is_that_of_the_weights(tiny_t5: Checkpoint) -> None:
    assert MADE_BY.licence(brief_for("medium")) == "CC-BY-NC-4.0"
    assert MADE_BY.licence(brief_for("facebook/musicgen-melody")) == "CC-BY-NC-4.0"
    assert MADE_BY.licence(brief_for(tiny_t5.folder)) == "unknown"
    assert MADE_BY.licence(brief_for(tiny_t5.folder, parameters={"licence": "MIT"})) == "MIT"
    assert MADE_BY.licence(brief_for("medium", parameters={"licence": "MIT"})) == "CC-BY-NC-4.0"


def test_cautions_name_the_licence_the_missing_weights_and_the_wait(tiny_t5: Checkpoint) -> None:
    slow = brief_for("small", 60.0, loop=True, parameters={"device": "cpu", "extend_stride": 18.0})
    licence, weights, wait = MADE_BY.cautions(slow, EMPTY)
    assert licence == "the weights of `small` are under CC-BY-NC-4.0: what they make is not for commercial use"
    assert weights == "the weights of `small` are not here: assetgen models pull facebook/musicgen-small"
    assert wait == "no GPU is used: MusicGen is slow on a CPU"
    pinned = brief_for("small", parameters={"revision": "v1.0"})
    assert MADE_BY.cautions(pinned, EMPTY)[1].endswith("pull facebook/musicgen-small --revision v1.0")
    own = brief_for(tiny_t5.folder, parameters={"licence": "MIT", "device": "cpu"})
    (wait,) = MADE_BY.cautions(own, EMPTY)
    assert wait == "no GPU is used: MusicGen is slow on a CPU"


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_a_precision_that_sounds_different_is_another_take_and_is_said(tiny_t5: Checkpoint, precision: str) -> None:
    def asked(**parameters: Any) -> Brief:
        return brief_for(tiny_t5.folder, parameters={"licence": "MIT", "device": "cpu", **parameters})

    def key(brief: Brief) -> str:
        recipe = Recipe(slot="a.ogg", title="A", game="G", brief=brief, finish=Finish(), outputs=())
        versions = Versions(generator=MADE_BY.version, finish="1", codec="1")
        return keys_of(recipe, versions, MADE_BY.key_parameters(brief, EMPTY)).take

    assert key(asked(precision=precision)) != key(asked())
    wait, rounded = MADE_BY.cautions(asked(precision=precision), EMPTY)
    assert rounded == f"`{precision}` on a CPU sounds different from `fp32`: the same seed gives other music"
    assert MADE_BY.cautions(asked(precision="fp32"), EMPTY) == (wait,)


def test_the_estimate_grows_with_length_model_and_overlap() -> None:
    def estimate(
        model: str = "small", duration_s: float = 60.0, stride_s: float = 18.0, device: str = "cpu", **more: str
    ) -> float:
        parameters = {"device": device, "extend_stride": stride_s, **more}
        return MADE_BY.estimate_s(brief_for(model, duration_s, parameters=parameters))

    assert estimate("small") < estimate("medium") < estimate("large")
    assert 1.8 < estimate(duration_s=120.0) / estimate(duration_s=60.0) < 2.2
    assert estimate(stride_s=5.0) > 1.05 * estimate()
    assert estimate(precision="int8") < estimate() / 1.7
    assert estimate(precision="bf16") > estimate()
    assert estimate("medium", device="cuda") < estimate("medium") / 3


# The length


def test_a_loop_gets_a_margin_to_find_its_end_in() -> None:
    assert margin_s(60.0) == 4.0
    assert margin_s(60.0, bar_s=2.667) == pytest.approx(5.333, abs=1e-3)
    assert margin_s(8.0, bar_s=2.667) == 2.0
    brief = brief_for("medium", 60.0, loop=True, bpm=90.0)
    assert plan_windows(brief, parameters_of(brief), Clock()).seconds == pytest.approx(60 + 16 / 3)


@pytest.mark.parametrize("duration_s", [0.5, 1.2345, 5.00001])
def test_a_track_that_plays_once_is_as_long_as_asked_to_the_sample(tiny_t5: Checkpoint, duration_s: float) -> None:
    take = perform(MADE_BY, brief_for(tiny_t5.folder, duration_s))
    assert take.audio.samples.shape == (1, round(duration_s * RATE_HZ))
    assert take.facts.near_frames == take.facts.loop_frames == 0


def test_a_loop_is_longer_and_says_how_long_it_should_be(tiny_t5: Checkpoint) -> None:
    take = perform(MADE_BY, brief_for(tiny_t5.folder, 2.0, loop=True))
    assert take.facts.near_frames == 2 * RATE_HZ
    assert take.audio.frames == 2.5 * RATE_HZ
    once = perform(MADE_BY, brief_for(tiny_t5.folder, 2.5))
    assert np.array_equal(take.audio.samples, once.audio.samples)


# The take


def test_facts_and_provenance(tiny_t5: Checkpoint) -> None:
    brief = brief_for(tiny_t5.folder, 4.5, sections=SECTIONS, key="D minor", bpm=90.0, parameters={"licence": "MIT"})
    take = perform(MADE_BY, brief)
    assert (take.facts.key, take.facts.bpm, take.facts.bars) == ("", 0.0, 0)  # a text holds neither
    assert take.facts.sections == (SectionTime("intro", 0.0, 2.0), SectionTime("main", 2.0, 2.5))
    provenance = take.provenance
    assert (provenance.generator, provenance.version, provenance.licence) == ("musicgen", "1", "MIT")
    assert provenance.model == tiny_t5.folder.name
    assert provenance.revision == str(MADE_BY.key_parameters(brief, EMPTY)["weights"])[:16]
    assert provenance.libraries.keys() == {"torch", "audiocraft", "transformers", "device", "precision"}
    assert (provenance.libraries["device"], provenance.libraries["precision"]) == ("cpu", "fp32")


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_a_cpu_plays_other_music_in_another_precision_and_the_same_again(tiny_t5: Checkpoint, precision: str) -> None:
    def played(precision: str, made_by: MusicGen) -> Take:
        asked = {"device": "cpu", "precision": precision}
        return perform(made_by, brief_for(tiny_t5.folder, 2.0, parameters=asked))

    take = played(precision, MADE_BY)
    assert take.provenance.libraries["precision"] == precision
    assert not np.array_equal(take.audio.samples, played("fp32", MADE_BY).audio.samples)
    assert np.array_equal(take.audio.samples, played(precision, MusicGen()).audio.samples)


def test_a_sections_words_change_nothing_before_it_begins(tiny_t5: Checkpoint) -> None:
    """Told by the codes: a codec with random weights makes almost the same sound of all of them."""
    from tydust_assetgen.generate.musicgen.runtime.generate import plan_track
    from tydust_assetgen.generate.musicgen.runtime.sampling_loop import generate_codes

    perform(MADE_BY, brief_for(tiny_t5.folder, 0.5))
    model = _model(MADE_BY)

    def codes(second: str) -> Any:
        sections = (SECTIONS[0], Section("main", 3.0, second))
        brief = brief_for(tiny_t5.folder, 5.0, sections=sections, parameters={"per_section": True})
        piece = plan_track(brief, parameters_of(brief), EMPTY, model.musicgen).request
        assert [(window.start, window.new) for window in piece.windows] == [(0, 100), (100, 125), (225, 25)]
        ((_, made),) = generate_codes(model, [piece], lambda *_: None)
        return made.numpy()

    calm, loud = codes("calm bells"), codes("distorted guitars")
    assert calm.shape == (1, 4, 250)
    assert np.array_equal(calm[..., :100], loud[..., :100])
    assert np.mean(calm[..., 100:] == loud[..., 100:]) < 0.9


def test_width_makes_stereo_that_folds_down_to_the_mono_sound(tiny_t5: Checkpoint) -> None:
    mono = perform(MADE_BY, brief_for(tiny_t5.folder)).audio.samples
    wide = perform(MADE_BY, brief_for(tiny_t5.folder, parameters={"width": 0.6})).audio.samples
    assert wide.shape == (2, mono.shape[1])
    assert np.abs(wide.mean(axis=0) - mono[0]).max() < 1e-6
    assert np.abs(wide[0] - wide[1]).max() > 0.01


def test_a_track_is_the_same_before_after_and_beside_others(tiny_t5: Checkpoint, tiny_stereo: Checkpoint) -> None:
    """Longer texts, other models and other parameters in the same process make no difference."""
    brief = brief_for(tiny_t5.folder)
    alone = perform(MusicGen(), brief).audio.samples
    long = brief_for(tiny_t5.folder, 0.5, prompt="a much longer text " * 20, parameters={"two_step_cfg": True})
    other = brief_for(tiny_stereo.folder, 0.5, seed=1)
    made = dict(MADE_BY.generate([long, brief, other, brief], EMPTY, lambda *_: None))
    assert np.array_equal(made[1].audio.samples, alone)
    assert np.array_equal(made[3].audio.samples, alone)


def test_progress_tells_steps_a_second_and_rises(tiny_t5: Checkpoint) -> None:
    told: list[tuple[int, float, str]] = []
    briefs = [brief_for(tiny_t5.folder, 1.0), brief_for(tiny_t5.folder, 4.5)]
    list(MADE_BY.generate(briefs, EMPTY, lambda index, share, note="": told.append((index, share, note))))
    for index in (0, 1):
        shares = [share for each, share, _ in told if each == index]
        assert shares == sorted(shares)
        assert (shares[0], shares[-1]) == (0.0, 1.0)
        assert any(note.endswith(" steps/s") and float(note.split()[0]) > 1 for each, _, note in told if each == index)
    assert len(told) < 500


def test_the_model_stays_until_another_one_is_needed(tiny_t5: Checkpoint, tiny_stereo: Checkpoint) -> None:
    import gc
    import weakref

    made_by = MusicGen()
    perform(made_by, brief_for(tiny_t5.folder, 0.5))
    first = weakref.ref(_model(made_by))
    perform(made_by, brief_for(tiny_t5.folder, 0.5, seed=8, parameters={"temperature": 0.9}))
    assert _model(made_by) is first()
    perform(made_by, brief_for(tiny_stereo.folder, 0.5))
    gc.collect()
    assert first() is None


def test_memory_of_rows_is_given_back_when_all_have_ended_or_are_stopped(tiny_t5: Checkpoint) -> None:
    """A worker waits for its next tracks with the model alone, and short ones do not make long ones need more."""
    made_by, brief = MusicGen(), brief_for(tiny_t5.folder, 4.5)
    alone = perform(made_by, brief).audio.samples
    network = _model(made_by).network
    held = []

    def stop(_: int, share: float, note: str = "") -> None:
        held.append(network.rows)
        if note.endswith(" steps/s"):
            raise KeyboardInterrupt

    assert network.rows == 0
    with pytest.raises(KeyboardInterrupt):
        list(made_by.generate([brief_for(tiny_t5.folder, 1.0)] * 3, EMPTY, stop))
    assert (held[0], held[-1] > 0, network.rows) == (0, True, 0)
    assert np.array_equal(perform(made_by, brief).audio.samples, alone)


def _model(made_by: MusicGen) -> Any:
    assert made_by._models is not None
    assert made_by._models._loaded is not None
    return made_by._models._loaded[1]


# What is missing


def test_weights_that_are_not_here_are_named_with_the_line_that_fetches_them() -> None:
    pytest.importorskip("audiocraft")
    with pytest.raises(UnavailableError) as caught:
        perform(MADE_BY, brief_for("medium"))
    assert str(caught.value) == (
        "the weights of `medium` are not on this machine\n"
        "  hint: fetch them: `assetgen models pull facebook/musicgen-medium`"
    )


def test_a_gpu_that_is_not_here_is_named(tiny_t5: Checkpoint) -> None:
    from tydust_assetgen.generate.musicgen.spec.requirements import cuda_devices

    if cuda_devices():
        pytest.skip("there is a GPU here")
    with pytest.raises(UnavailableError, match="there is no CUDA device here"):
        perform(MADE_BY, brief_for(tiny_t5.folder, parameters={"device": "cuda"}))
    with pytest.raises(UnavailableError, match="there is no CUDA device here, and a CPU can't play in `fp16`"):
        perform(MADE_BY, brief_for(tiny_t5.folder, parameters={"precision": "fp16"}))


def test_a_sound_that_was_not_handed_in_is_named(tiny_t5: Checkpoint) -> None:
    brief: Brief = brief_for(tiny_t5.folder, parameters={"continue_from": "ref.ogg"})
    with pytest.raises(GenerationError, match="the sound that `continue_from` names was not handed in"):
        perform(MADE_BY, brief)


def test_the_number_of_threads_changes_no_sample(tiny_t5: Checkpoint) -> None:
    """In a process of its own: how threads wait is settled when torch is loaded."""
    code = (
        "import msgspec, os, sys; from pathlib import Path; from tydust_assetgen import system; "
        "from tydust_assetgen.system import digest_bytes; from tydust_assetgen.flow import Brief; "
        "from tydust_assetgen.generate.musicgen import MusicGen; "
        "from tydust_assetgen.generate.musicgen.spec import estimates; "
        "from tydust_assetgen.generate.protocol import Shelf; "
        "system.cores = lambda: 8; made_by = MusicGen(); "
        "brief = msgspec.json.decode(sys.stdin.buffer.read(), type=Brief)\n"
        "loop = 'tydust_assetgen.generate.musicgen.runtime.sampling_loop'\n"
        "for estimates.CORES in (1, 3):\n"
        "    if loop in sys.modules:\n"
        "        sys.modules[loop].CORES = estimates.CORES\n"
        "    ((_, take),) = made_by.generate([brief], Shelf(Path()), lambda *_: None)\n"
        "    print(digest_bytes(take.audio.samples.tobytes()))\n"
        "print(os.environ['OMP_WAIT_POLICY'])"
    )
    brief = msgspec.json.encode(brief_for(tiny_t5.folder))
    done = subprocess.run([sys.executable, "-c", code], input=brief, env=environment(), capture_output=True, check=True)
    one, three, policy = done.stdout.decode().split()
    assert (one, policy) == (three, "PASSIVE")


def test_a_model_that_our_decoder_does_not_know_is_played_by_audiocraft_and_it_is_said(
    tiny_t5: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same samples, and a note."""
    from tydust_assetgen.generate.musicgen import decoder

    brief = brief_for(tiny_t5.folder, 1.0)
    ours = perform(MusicGen(), brief)
    monkeypatch.setattr(decoder, "unsupported", lambda _: "its positions are not sinusoids")
    theirs = perform(MusicGen(), brief)
    assert np.array_equal(theirs.audio.samples, ours.audio.samples)
    assert ours.notes == ()
    assert theirs.notes == ("played by audiocraft itself, more slowly: its positions are not sinusoids",)
