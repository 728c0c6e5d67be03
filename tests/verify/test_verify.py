"""Verifying with real encoders: a right file passes in every codec, and each planted fault fails its own check."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import lru_cache

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dsp.sounds import MINOR_LOOP, RATE_HZ, Samples, chords, drums
from tydust_assetgen import codec
from tydust_assetgen.audio import Audio, LoopPoints
from tydust_assetgen.dsp import integrated_lufs
from tydust_assetgen.errors import AssetgenError
from tydust_assetgen.flow import Brief, Check, Codec, Encoded, Facts, Finish, Master, Output, Provenance, Recipe
from tydust_assetgen.verify import VerificationError, inspect, verify

BPM, BARS = 120.0, 6
FRAMES = 12 * RATE_HZ
WHOLE = LoopPoints(0, FRAMES)
FACTS = Facts(key="D minor", bpm=BPM, bars=BARS, loop_frames=FRAMES)
BRIEF = Brief(generator="composer", prompt="a test", duration_s=12.0, seed=1, key="D minor", bpm=BPM)
FLAC = Output(path="music/x.flac", codec="flac")
WAV = Output(path="music/x.wav", codec="wav", bits="16")
ORDER = (
    *("decodes", "codec", "rate", "channels", "bitrate", "frames", "duration", "loop", "finite"),
    *("loudness", "true_peak", "clipping", "silence", "dc", "seam", "key", "tempo"),
)


def recipe(*, brief: Brief = BRIEF, finish: Finish | None = None, strict: tuple[str, ...] = ()) -> Recipe:
    outputs = (FLAC,)
    return Recipe(
        slot="music/x.flac",
        title="X",
        game="G",
        brief=brief,
        finish=finish or Finish(),
        outputs=outputs,
        strict=strict,
        place="assets.toml:7",
    )


def at(samples: Samples, lufs: float = -16.0) -> Samples:
    return samples * 10 ** ((lufs - integrated_lufs(Audio(samples.astype(np.float32), RATE_HZ))) / 20)


@lru_cache(maxsize=8)
def song(tonic: int = 2, bpm: float = BPM) -> Samples:
    """Twelve seconds of a loop, at -16 LUFS, peaks well under -2 dBTP."""
    bars = round(bpm / 20)
    music = chords(tonic, MINOR_LOOP, bpm, bars, arpeggio=True) + drums(bpm, bars)
    return at(np.stack([music, 0.9 * music]))


def master(samples: Samples | None = None, *, loop: LoopPoints | None = WHOLE) -> Master:
    audio = Audio((song() if samples is None else samples).astype(np.float32), RATE_HZ)
    return Master(audio, loop, FACTS, Provenance(generator="composer", version="1", licence="CC0-1.0"))


def encoded(made: Master, output: Output = FLAC) -> bytes:
    return codec.encode(made, output, codec.Tags(title="X", game="G"))


@lru_cache(maxsize=8)
def right(output: Output = FLAC) -> bytes:
    """The bytes of the song as it should be."""
    return encoded(master(), output)


def failures(checks: tuple[Check, ...]) -> dict[str, str]:
    return {check.name: check.status for check in checks if check.status != "pass"}


def heard(made: Master, asked: Recipe | None = None, facts: Facts = FACTS, output: Output = FLAC) -> dict[str, str]:
    return failures(inspect(encoded(made, output), output, asked or recipe(), facts))


def judged(asked: Recipe, facts: Facts = FACTS) -> dict[str, str]:
    """What is not right when the right song meets another wish."""
    return failures(inspect(right(), FLAC, asked, facts))


@pytest.mark.parametrize("kind", ["ogg", "mp3", "flac", "wav", "opus", "m4a"])
def test_a_right_file_passes_every_check(kind: Codec) -> None:
    if reason := codec.available(kind):
        pytest.skip(reason)
    output = Output(path=f"x.{kind}", codec=kind)
    data = right(output)
    verified = verify(Encoded(output, data), recipe(), FACTS)
    assert [(check.name, check.status, check.reason) for check in verified.checks] == [
        (name, "pass", "") for name in ORDER
    ]
    assert (verified.digest, verified.size) == (hashlib.sha256(data).hexdigest(), len(data))
    assert verified.output == output


@pytest.mark.parametrize("bits", ["16", "24", "float"])
def test_sample_formats_of_wav_are_checked(bits: str) -> None:
    output = msgspec.convert({"path": "x.wav", "codec": "wav", "bits": bits}, Output)
    data = right(output)
    assert failures(inspect(data, output, recipe(), FACTS)) == {}
    other = msgspec.structs.replace(output, bits="24" if bits == "16" else "16")
    assert failures(inspect(data, other, recipe(), FACTS)) == {"bitrate": "fail"}


def test_bit_rate_of_mp3_is_exact() -> None:
    asked = Output(path="x.mp3", codec="mp3", bitrate_kbps=192)
    data = encoded(master(), msgspec.structs.replace(asked, bitrate_kbps=160))
    assert failures(inspect(data, asked, recipe(), FACTS)) == {"bitrate": "fail"}


@pytest.mark.parametrize("kind", ["ogg", "flac", "wav", "mp3", "opus"])
def test_bytes_that_are_cut_or_foreign_only_fail_to_decode(kind: Codec) -> None:
    output = Output(path=f"x.{kind}", codec=kind)
    data = right(output)
    foreign = encoded(master(), Output(path="x", codec="wav" if kind == "flac" else "flac"))
    for bad in (b"", b"no music", data[: len(data) // 2], foreign, bytes(len(data))):
        checks = inspect(bad, output, recipe(), FACTS)
        assert [(check.name, check.status) for check in checks] == [("decodes", "fail")]
        assert checks[0].reason


def test_a_flipped_bit_is_found() -> None:
    output = Output(path="x.ogg", codec="ogg")
    data = bytearray(right(output))
    data[len(data) // 2] ^= 1
    assert failures(inspect(bytes(data), output, recipe(), FACTS)) == {"decodes": "fail"}


@lru_cache(maxsize=1)
def short_wav() -> bytes:
    return encoded(master(song()[:, : RATE_HZ // 2], loop=None), WAV)


@settings(max_examples=60, deadline=None)
@given(edits=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 255)), min_size=1, max_size=4))
def test_whatever_the_header_says_inspecting_never_raises(edits: list[tuple[int, int]]) -> None:
    """A WAV has no checksums: other rates, channel counts and sample formats come through and are measured."""
    data = bytearray(short_wav())
    for position, value in edits:
        data[position] = value
    checks = inspect(bytes(data), WAV, recipe(), FACTS)
    assert checks[0].name == "decodes"
    assert [check.name for check in checks if check.status != "pass" and not check.reason] == []


def test_rate_and_channels_are_those_asked() -> None:
    assert judged(recipe(finish=Finish(channels=1))) == {"channels": "fail"}
    facts = msgspec.structs.replace(FACTS, loop_frames=12 * 48_000)
    asked = recipe(finish=Finish(sample_rate_hz=48_000))
    assert judged(asked, facts) == {"rate": "fail", "frames": "fail", "loop": "fail"}


def test_one_frame_too_few_is_no_exact_loop() -> None:
    short = master(song()[:, :-1], loop=LoopPoints(0, FRAMES - 1))
    assert heard(short) == {"frames": "fail", "loop": "fail"}


def test_duration_is_met_to_half_a_bar() -> None:
    """A bar is two seconds."""
    for asked_s, wanted in ((12.9, {}), (11.1, {}), (13.2, {"duration": "fail"}), (10.9, {"duration": "fail"})):
        assert judged(recipe(brief=msgspec.structs.replace(BRIEF, duration_s=asked_s))) == wanted


def test_without_bars_duration_is_met_to_half_a_second() -> None:
    facts = msgspec.structs.replace(FACTS, bars=0)
    for asked_s, wanted in ((12.4, {}), (12.6, {"duration": "fail"})):
        assert judged(recipe(brief=msgspec.structs.replace(BRIEF, duration_s=asked_s)), facts) == wanted


def test_a_loop_that_had_to_be_found_may_be_a_bar_off_and_further_with_a_warning() -> None:
    facts = msgspec.structs.replace(FACTS, bars=0, bpm=0.0, near_frames=16 * RATE_HZ)
    for asked_s, wanted in ((15.9, {}), (8.1, {}), (16.1, {"duration": "warn"}), (7.9, {"duration": "warn"})):
        assert judged(recipe(brief=msgspec.structs.replace(BRIEF, duration_s=asked_s)), facts) == wanted


def test_loop_points_are_those_of_the_music() -> None:
    assert heard(master(loop=None)) == {"loop": "fail"}
    assert heard(master(loop=LoopPoints(0, FRAMES - RATE_HZ * 2))) == {"loop": "fail"}
    jingle = recipe(finish=Finish(loop=False))
    assert heard(master(), jingle) == {"loop": "warn"}
    assert heard(master(loop=None), jingle) == {}


@pytest.mark.parametrize(("lufs", "wanted"), [(-15.6, {}), (-16.4, {}), (-15.4, "loudness"), (-16.6, "loudness")])
def test_loudness_is_met_to_half_a_unit(lufs: float, wanted: str) -> None:
    assert heard(master(at(song(), lufs))) == ({wanted: "fail"} if wanted else {})


def test_a_quiet_track_is_told_that_peaks_may_be_why() -> None:
    checks = inspect(encoded(master(at(song(), -20))), FLAC, recipe(), FACTS)
    (reason,) = (check.reason for check in checks if check.name == "loudness")
    assert reason == "it is 4.0 LU too quiet; peaks may leave no room for -16 LUFS: ask for a lower loudness"


def test_nothing_but_silence_is_said_to_be_silent() -> None:
    checks = inspect(encoded(master(0 * song())), FLAC, recipe(), FACTS)
    assert failures(checks) == {"loudness": "fail", "silence": "fail", "key": "warn", "tempo": "warn"}
    assert [check.reason for check in checks if check.name == "loudness"] == ["it is silent"]


def peaked(dbtp: float) -> Samples:
    """The song with one crest in its middle, between two samples, of this height."""
    samples = song().copy()
    samples[:, FRAMES // 2 - 8 : FRAMES // 2 + 8] = 0
    samples[0, FRAMES // 2 : FRAMES // 2 + 2] = 10 ** (dbtp / 20) * np.pi / 4
    return samples


def test_true_peaks_between_samples_count() -> None:
    for dbtp, wanted in ((-2.1, {}), (-1.7, {"true_peak": "fail"})):
        assert heard(master(peaked(dbtp))) == wanted


def test_a_lossy_file_may_rise_above_the_target_but_not_clip() -> None:
    ogg = Output(path="x.ogg", codec="ogg", quality=9)
    for dbtp, wanted in ((-1.0, {}), (1.5, {"true_peak": "fail"})):
        assert heard(master(peaked(dbtp)), output=ogg) == wanted
    quiet = recipe(finish=Finish(true_peak_dbtp=-4))
    assert heard(master(peaked(-1.0)), quiet, output=ogg) == {"true_peak": "fail"}


def test_clipping_is_found() -> None:
    samples = song().copy()
    samples[0, FRAMES // 2 : FRAMES // 2 + 4] = 1.0
    assert heard(master(samples)) == {"clipping": "fail", "true_peak": "fail"}


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_no_numbers_end_the_measuring(value: float) -> None:
    """No encoder here takes them, so they are written into the WAV by hand."""
    output = Output(path="x.wav", codec="wav", bits="float")
    data = bytearray(right(output))
    data[-40_000:-39_996] = np.float32(value).tobytes()
    checks = inspect(bytes(data), output, recipe(), FACTS)
    assert failures(checks) == {"finite": "fail"}
    assert checks[-1].name == "finite"


def test_silence_inside_is_found() -> None:
    """Up to half a second, or a beat where that is longer."""
    for silence_s, wanted in ((0.45, {}), (0.7, {"silence": "fail"})):
        samples = song().copy()
        samples[:, 5 * RATE_HZ : round((5 + silence_s) * RATE_HZ)] = 0
        assert heard(master(at(samples))) == wanted


def test_a_jingle_may_end_in_silence() -> None:
    jingle = recipe(finish=Finish(loop=False))
    for silence_s, wanted in ((1.5, {}), (2.5, {"silence": "fail"})):
        samples = np.pad(song(), ((0, 0), (0, round(silence_s * RATE_HZ))))
        assert heard(master(samples, loop=None), jingle) == wanted


def test_an_offset_is_found() -> None:
    assert heard(master(song() + 0.004)) == {}
    assert heard(master(song() + 0.01)) == {"dc": "fail"}


def quiet_wrap() -> Samples:
    music = chords(2, MINOR_LOOP, BPM, BARS, arpeggio=True)
    return at(np.stack([music, music]))


def clicking() -> Samples:
    samples = quiet_wrap()
    samples[:, -441:] += 0.1 * np.linspace(0, 1, 441) ** 2
    return samples


def test_a_click_at_the_wrap_is_found() -> None:
    """The last hundredth of a second bends away by a tenth of full scale; no drum is there to hide it."""
    assert heard(master(quiet_wrap())) == {}
    samples = clicking()
    assert heard(master(samples)) == {"seam": "fail"}
    assert heard(master(samples), output=Output(path="x.ogg", codec="ogg")) == {"seam": "fail"}
    assert heard(master(samples), output=Output(path="x.mp3", codec="mp3")) == {"seam": "warn"}


@pytest.mark.parametrize("key", ["A minor", "D major", "E minor", "Eb minor", "Ab major", "B major"])
def test_another_key_fails_for_the_composer(key: str) -> None:
    brief = msgspec.structs.replace(BRIEF, key=key)
    assert judged(recipe(brief=brief), msgspec.structs.replace(FACTS, key="")) == {"key": "fail"}


@pytest.mark.parametrize("bpm", [90.0, 100.0, 112.0, 126.0, 133.0, 160.0])
def test_another_tempo_fails_for_the_composer(bpm: float) -> None:
    brief = msgspec.structs.replace(BRIEF, bpm=bpm)
    assert judged(recipe(brief=brief), msgspec.structs.replace(FACTS, bpm=0.0)) == {"tempo": "fail"}


def test_for_other_generators_key_and_tempo_warn_unless_they_are_strict() -> None:
    brief = msgspec.structs.replace(BRIEF, generator="musicgen", key="B major", bpm=100.0)
    facts = Facts(loop_frames=FRAMES)
    assert judged(recipe(brief=brief), facts) == {"key": "warn", "tempo": "warn"}
    assert judged(recipe(brief=brief, strict=("key",)), facts) == {"key": "fail", "tempo": "warn"}
    assert judged(recipe(brief=brief, strict=("tempo",)), facts) == {"key": "warn", "tempo": "fail"}


def test_the_relative_key_only_warns() -> None:
    brief = msgspec.structs.replace(BRIEF, key="F major")
    assert judged(recipe(brief=brief), msgspec.structs.replace(FACTS, key="")) == {"key": "warn"}


def test_what_the_generator_admits_needs_no_ear() -> None:
    facts = msgspec.structs.replace(FACTS, key="F major", bpm=60.0, bars=3)
    assert judged(recipe(), facts) == {"key": "fail", "tempo": "fail"}


def test_nothing_asked_is_compared_with_what_the_generator_claims() -> None:
    brief = msgspec.structs.replace(BRIEF, key="", bpm=0.0)
    assert judged(recipe(brief=brief)) == {}
    assert judged(recipe(brief=brief), msgspec.structs.replace(FACTS, key="B major")) == {"key": "fail"}
    nothing = inspect(right(), FLAC, recipe(brief=brief), Facts(loop_frames=FRAMES))
    assert [check.name for check in nothing] == list(ORDER[:-2])


def test_a_key_that_can_not_be_read_only_warns() -> None:
    brief = msgspec.structs.replace(BRIEF, key="H locrish")
    assert judged(recipe(brief=brief)) == {"key": "warn"}


def test_little_evidence_only_warns() -> None:
    short = song()[:, : 6 * RATE_HZ]
    brief = msgspec.structs.replace(BRIEF, duration_s=6.0, key="B major", bpm=100.0)
    made = master(at(short), loop=None)
    found = heard(made, recipe(brief=brief, finish=Finish(loop=False)), Facts())
    assert found == {"key": "warn", "tempo": "warn"}


def test_the_error_names_every_failure_with_its_place() -> None:
    data = encoded(master(at(song(), -20) + 0.01))
    with pytest.raises(VerificationError) as caught:
        verify(Encoded(FLAC, data), recipe(), FACTS)
    error = caught.value
    assert isinstance(error, AssetgenError)
    assert (error.exit_code, len(error.checks)) == (1, len(ORDER))
    assert [(problem.place, problem.slot) for problem in error.problems] == [("assets.toml:7", "music/x.flac")] * 2
    assert str(error).splitlines()[1] == (
        "assets.toml:7: music/x.flac: `music/x.flac` fails `dc`: the wave does not rest at zero"
    )


def test_a_seam_that_a_codec_may_have_broken_comes_with_a_way_out() -> None:
    hints: dict[str, str] = {}
    for codec_name in ("ogg", "flac"):
        output = Output(path=f"x.{codec_name}", codec=codec_name)
        with pytest.raises(VerificationError) as caught:
            verify(Encoded(output, encoded(master(clicking()), output)), recipe(), FACTS)
        (hints[codec_name],) = [problem.hint for problem in caught.value.problems if "`seam`" in problem.message]
    assert hints == {"ogg": "try a higher quality, or `flac` or `wav`, which change nothing", "flac": ""}


def test_warnings_pass() -> None:
    lenient = msgspec.structs.replace(BRIEF, generator="musicgen", key="B major")
    facts = msgspec.structs.replace(FACTS, key="")
    verified = verify(Encoded(FLAC, right()), recipe(brief=lenient), facts)
    assert failures(verified.checks) == {"key": "warn"}


def test_mono_is_measured_as_mono() -> None:
    mono = replace(master(), audio=Audio(at(song()[:1]).astype(np.float32), RATE_HZ))
    assert heard(mono, recipe(finish=Finish(channels=1))) == {}
