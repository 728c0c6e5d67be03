"""What engines are told: Godot's sidecars, Unity's list and script, the loop tags that SDL_mixer reads."""

from __future__ import annotations

import configparser
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import Game
from scipy import signal

from tests.exports.test_catalogue import TWO, write
from tydust_assetgen import codec, events
from tydust_assetgen.audio import Audio, LoopPoints
from tydust_assetgen.exports.catalog import File, Loop, Track
from tydust_assetgen.exports.godot import sidecar
from tydust_assetgen.flow import Facts, Master, Output, Provenance

GODOT = 'engine = "godot"'


def params(path: Path) -> dict[str, str]:
    """A sidecar as Godot's ConfigFile reads it."""
    parsed = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    parsed.read_string(path.read_text())
    return {f"{section}.{key}": value for section in parsed.sections() for key, value in parsed[section].items()}


def test_godot_gets_sidecars_for_what_it_imports(game: Game) -> None:
    write(game, TWO.replace('"wav", "opus"', '"wav", "mp3", "opus"'), GODOT)
    game.build()
    assert sorted(name for name in game.digests() if name.endswith(".import")) == [
        "music/one.ogg.import",
        "music/two.mp3.import",
        "music/two.ogg.import",
        "music/two.wav.import",
    ]
    assert params(game.path("music/one.ogg.import")) == {
        "remap.importer": '"oggvorbisstr"',
        "remap.type": '"AudioStreamOggVorbis"',
        "deps.source_file": '"res://assets/music/one.ogg"',
        "params.loop": "true",
        "params.loop_offset": "0",
        "params.bpm": "0",
        "params.beat_count": "0",
        "params.bar_beats": "4",
    }
    assert params(game.path("music/two.mp3.import"))["remap.importer"] == '"mp3"'
    assert params(game.path("music/two.ogg.import"))["params.loop"] == "false"
    wave = params(game.path("music/two.wav.import"))
    assert (wave["remap.type"], wave["params.edit/loop_mode"], wave["params.compress/mode"]) == (
        '"AudioStreamWAV"',
        "1",
        "0",
    )


def test_godot_finds_its_project_further_up(game: Game) -> None:
    (game.root / "assets").mkdir()
    (game.root / "assets/project.godot").write_text("")
    write(game, keys=GODOT)
    game.build()
    assert params(game.path("music/one.ogg.import"))["deps.source_file"] == '"res://music/one.ogg"'


THERE = """[remap]

importer="oggvorbisstr"
type="AudioStreamOggVorbis"
uid="uid://c0ffee"
path="res://.godot/imported/one.ogg-1234.oggvorbisstr"
metadata={
"mine": true
}

[deps]

source_file="res://elsewhere/one.ogg"
dest_files=["res://.godot/imported/one.ogg-1234.oggvorbisstr"]

[params]

loop=false
mine="kept"
loop_offset=3.5
bpm=0
beat_count=0
bar_beats=4
"""


def test_the_line_ends_of_windows_are_no_difference(game: Game) -> None:
    """As in a clone with `core.autocrlf`, where git writes all texts so."""
    write(game, TWO, f'{GODOT}\ncatalog = "catalog.json"\ncatalog_code = ["c", "csharp", "gdscript", "python"]')
    game.build()
    texts = [game.path(name) for name in game.digests() if not name.endswith((".ogg", ".wav", ".opus"))]
    assert len(texts) >= 7
    for path in (*texts, game.project.lock_file, game.project.manifest):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    before = {path: path.read_bytes() for path in texts}
    assert game.run("check").returncode == 0
    assert game.run("build").returncode == 0
    assert {path: path.read_bytes() for path in texts} == before
    texts[0].write_bytes(before[texts[0]].replace(b"1", b"2"))
    assert game.run("check").returncode == 1


def test_a_persons_settings_in_a_sidecar_stay(game: Game) -> None:
    write(game, keys=GODOT)
    path = game.path("music/one.ogg.import")
    path.parent.mkdir(parents=True)
    path.write_text(THERE)
    game.build()
    wanted = THERE.replace("loop=false", "loop=true").replace("loop_offset=3.5", "loop_offset=0")
    assert path.read_text() == wanted
    before = path.stat().st_mtime_ns
    assert game.run("build").returncode == 0
    assert path.stat().st_mtime_ns == before
    path.write_text(wanted.replace("loop=true", "loop=false"))
    assert "one.ogg.import` is not what" in game.run("check").stderr
    path.write_text(wanted.replace('"kept"', '"new"'))
    assert game.run("check").returncode == 0
    path.write_text(THERE.replace("oggvorbisstr", "keep"))
    assert game.run("build").returncode == 0
    assert game.run("check").returncode == 0, "another importer is a person's choice, and nothing is wrong with it"
    assert path.read_text() == THERE.replace("oggvorbisstr", "keep")


def _track(codec: str, frames: int, bpm: float, bars: int, loop: Loop | None) -> tuple[Track, File]:
    file = File(
        path="a", codec=codec, sha256="", bytes=1, frames=frames, seconds=frames / 44100, rate_hz=44100,
        channels=2, loop=loop, lufs=-16, true_peak_dbtp=-2,
    )  # fmt: skip
    track = Track(
        slot="a", name="a", title="A", seconds=file.seconds, loop=True, key="", bpm=bpm, beats_per_bar=4, bars=bars,
        lufs=-16, sections=(), files=(file,),
    )  # fmt: skip
    return track, file


def _loop(start: int, end: int) -> Loop:
    return Loop(start_frames=start, end_frames=end, start_s=start / 44100, end_s=end / 44100)


def test_beats_are_told_only_where_they_are_the_length() -> None:
    """Godot ends a loop after `beat_count`: one that is not exact would be cut."""
    exact = sidecar(*_track("ogg", 211_680, 100, 2, _loop(0, 211_680)), "res://a", None)
    assert exact is not None
    assert b"\nbpm=100\nbeat_count=8\nbar_beats=4\n" in exact
    longer = sidecar(*_track("ogg", 220_000, 100, 2, _loop(22_050, 220_000)), "res://a", None)
    assert longer is not None
    assert b"\nloop_offset=0.5\nbpm=100\nbeat_count=0\n" in longer


@pytest.mark.parametrize(("there", "wanted"), [(b"", b"0"), (b"0", b"0"), (b"1", b"1"), (b"2", b"0")])
def test_a_wave_loops_by_its_points_and_is_not_made_lossy(there: bytes, wanted: bytes) -> None:
    old = b"[params]\n\nforce/mono=true\ncompress/mode=" + there + b"\n" if there else None
    text = sidecar(*_track("wav", 1000, 0, 0, _loop(10, 990)), "res://a", old)
    assert text is not None
    assert b"edit/loop_mode=2\nedit/loop_begin=10\nedit/loop_end=990\n" in text
    assert b"compress/mode=" + wanted + b"\n" in text
    assert (b"force/mono=true\n" in text) == (old is not None)


def test_unity_gets_a_list(game: Game) -> None:
    write(game, keys='engine = "unity"')
    game.build()
    paper = json.loads(game.path("assetgen.unity.json").read_text())
    assert paper["assetgen_unity"] == 1
    assert [(clip["path"], clip["loop"], clip["stream"], clip["loopEnd"]) for clip in paper["clips"]] == [
        ("music/one.ogg", True, False, 88200),
        ("music/two.ogg", False, False, 0),
        ("music/two.wav", False, False, 0),
    ]


def test_unitys_script_is_written_once(game: Game) -> None:
    for _ in range(2):
        assert game.run("unity-script").returncode == 0
    path = game.root / "Assets/Editor/AssetgenMusicImporter.cs"
    assert "OnPreprocessAudio" in path.read_text()
    path.write_text("mine")
    done = game.run("unity-script")
    assert (done.returncode, path.read_text()) == (1, "mine")
    assert "was changed: left alone" in done.stderr


UNITY = """
namespace UnityEngine {
    public class Object {}
    public static class JsonUtility {
        public static T FromJson<T>(string text) { return default(T); }
        public static string ToJson(object one) { return ""; }
    }
    public enum AudioClipLoadType { DecompressOnLoad, CompressedInMemory, Streaming }
    public enum AudioCompressionFormat { PCM, Vorbis }
}
namespace UnityEditor {
    using UnityEngine;
    public enum AudioSampleRateSetting { PreserveSampleRate }
    public struct AudioImporterSampleSettings {
        public AudioClipLoadType loadType;
        public AudioCompressionFormat compressionFormat;
        public AudioSampleRateSetting sampleRateSetting;
    }
    public class AssetImporter : UnityEngine.Object {
        public string userData { get; set; }
        public void SaveAndReimport() {}
        public static AssetImporter GetAtPath(string path) { return null; }
    }
    public class AudioImporter : AssetImporter {
        public AudioImporterSampleSettings defaultSampleSettings { get; set; }
        public bool loadInBackground { get; set; }
        public bool forceToMono { get; set; }
    }
    public class AssetPostprocessor { public string assetPath; public AssetImporter assetImporter; }
    public static class AssetDatabase {
        public static UnityEngine.Object LoadMainAssetAtPath(string path) { return null; }
        public static string[] GetLabels(UnityEngine.Object one) { return null; }
        public static void SetLabels(UnityEngine.Object one, string[] labels) {}
    }
}
"""


@pytest.mark.skipif(shutil.which("mcs") is None, reason="no mcs here")
def test_unitys_script_compiles(game: Game) -> None:
    """Against the outlines of the classes that it uses; Unity itself is no part of the tests."""
    assert game.run("unity-script", ".").returncode == 0
    (game.root / "Unity.cs").write_text(UNITY)
    words = ["mcs", "-target:library", "AssetgenMusicImporter.cs", "Unity.cs", "-out:out.dll"]
    done = subprocess.run(words, cwd=game.root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


PLAY = """
import sys, time, pygame
pygame.mixer.init(44100, -16, 2, 1024, allowedchanges=0)
pygame.mixer.music.load(sys.argv[1])
pygame.mixer.music.play(loops=-1)
time.sleep(0.3)
pygame.mixer.quit()
"""


def test_sdl_mixer_loops_by_our_tags_to_the_frame(tmp_path: Path) -> None:
    """In the real pygame-ce. SDL's disk driver writes down what would be heard: after the end of the loop comes its
    start, which is not the start of the file, without a frame too many or too few."""
    pytest.importorskip("pygame")
    frames, loop = 66_150, LoopPoints(22_050, 66_150)
    time_s = np.arange(frames) / 44_100
    chirp = np.sin(2 * np.pi * (200 + 400 * time_s) * time_s) / 2
    made = Provenance(generator="test", version="1", licence="CC0-1.0")
    master = Master(Audio(np.stack([chirp] * 2).astype(np.float32), 44_100), loop, Facts(), made)
    tags = codec.Tags(title="a", game="b", prompt_digest="", generator="", version="", model="", licence="")
    data = codec.encode(master, Output(path="a.ogg", codec="ogg"), tags)
    (tmp_path / "a.ogg").write_bytes(data)

    out = tmp_path / "out.raw"
    disk = {"SDL_AUDIODRIVER": "disk", "SDL_DISKAUDIOFILE": str(out), "SDL_DISKAUDIODELAY": "0"}
    words = [sys.executable, "-c", PLAY, str(tmp_path / "a.ogg")]
    done = subprocess.run(words, env={**os.environ, **disk}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    heard = np.fromfile(out, "<i2").reshape(-1, 2)[:, 0] / 32768
    sound = codec.decode(data, "ogg").audio.samples[0]
    wanted = np.concatenate([sound, sound[loop.start_frames :], sound[loop.start_frames :]])
    assert len(heard) > 2 * len(wanted), "it was not played long enough"
    alike = signal.correlate(heard[: -len(wanted)], sound[:2000], "valid", method="fft")  # silence comes first
    begin = int(np.argmax(alike))
    assert len(heard) > begin + len(wanted), "it was not played long enough"
    assert np.abs(heard[begin : begin + len(wanted)] - wanted).max() < 0.01


def _tellings(game: Game) -> list[tuple[str, str]]:
    return [(event.path, event.slot) for event in game.told if isinstance(event, events.Wrote)]


def test_what_is_written_beside_the_music_is_told_once(game: Game) -> None:
    write(game, keys=f'{GODOT}\ncatalog = "catalog.json"\ncatalog_code = "c"')
    game.build()
    sidecars = [("music/one.ogg.import", "music/one.ogg"), *((f"music/two.{e}.import", "music/two.ogg") for e in WAYS)]
    assert _tellings(game) == [("catalog.json", ""), ("music.h", ""), *sidecars]
    game.build()
    assert _tellings(game) == []
    game.path("music/two.wav.import").unlink()
    game.path("catalog.json").write_bytes(b"")
    done = game.run("build", "--json")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event for event in told if event["event"] == "wrote"] == [
        {"event": "wrote", "path": "catalog.json", "slot": ""},
        {"event": "wrote", "path": "music/two.wav.import", "slot": "music/two.ogg"},
    ]
    game.path("music.h").unlink()
    assert "wrote       music.h\n" in game.run("build").stderr


WAYS = ("ogg", "wav")
ONE = '[music]\n"music/one.ogg" = "first"\n'
IMPORTED = """[remap]

importer="wav"
type="AudioStreamWAV"
uid="uid://c0ffee"
path="res://.godot/imported/two.wav-12.sample"

[deps]

source_file="res://assets/music/two.wav"
dest_files=["res://.godot/imported/two.wav-12.sample"]

[params]

force/8_bit=false
force/mono=false
force/max_rate=false
force/max_rate_hz=44100
edit/trim=false
edit/normalize=false
edit/loop_mode=1
edit/loop_begin=0
edit/loop_end=-1
compress/mode=0
"""
"""As Godot leaves a sidecar behind when it has imported the sound."""


def _beside(game: Game) -> set[str]:
    return {path for path in game.digests() if path.endswith(".import")}


def test_pruning_takes_the_sidecars_of_a_slot_along(game: Game) -> None:
    write(game, keys=GODOT)
    game.build()
    game.path("music/two.wav.import").write_text(IMPORTED)
    assert game.run("check").returncode == 0, "what Godot adds is no matter of ours"
    mine = game.path("music/mine.ogg.import")
    mine.write_text(THERE)
    write(game, ONE, GODOT)
    game.build()
    assert len(_beside(game)) == 4, "without `prune` nothing goes"
    assert game.build(prune=True).summary.pruned == 5  # ogg, wav and opus, and two sidecars
    assert set(game.digests()) == {"music/one.ogg", "music/one.ogg.import", "music/mine.ogg.import"}
    assert mine.read_text() == THERE
    gone = [event.path for event in game.told if isinstance(event, events.Orphaned) and event.removed]
    assert {"music/two.ogg.import", "music/two.wav.import"} <= set(gone)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("edit/trim=false", "edit/trim=true"),
        ("edit/loop_mode=1", "edit/loop_mode=2"),
        ("compress/mode=0", "compress/mode=1"),
        ("force/8_bit=false", "force/8_bit=false\nmine=1"),
        ('uid="uid://c0ffee"', 'metadata="mine"'),
        ('importer="wav"', 'importer="keep"'),
        ("[params]", "[mine]\n\n[params]"),
        ("[remap]", "; mine\n[remap]"),
    ],
)
def test_pruning_leaves_a_sidecar_in_which_a_person_chose_something(game: Game, old: str, new: str) -> None:
    write(game, keys=GODOT)
    game.build()
    path, text = game.path("music/two.wav.import"), IMPORTED.replace(old, new)
    path.write_text(text)
    write(game, ONE, GODOT)
    done = game.run("build", "--prune")
    assert done.returncode == 0
    assert path.read_text() == text
    assert "orphan      music/two.wav.import: no longer asked for, and modified by hand: left alone" in done.stderr
    assert not game.path("music/two.ogg.import").exists()


def test_a_sidecar_stays_as_long_as_its_sound(game: Game) -> None:
    """A sound that a person changed is left alone, and with it what engines are told of it."""
    write(game, keys=GODOT)
    game.build()
    game.path("music/two.wav").write_bytes(b"mine")
    write(game, ONE, GODOT)
    game.build(prune=True)
    assert {"music/two.wav", "music/two.wav.import"} <= set(game.digests())
    assert not game.path("music/two.ogg.import").exists()
    game.path("music/two.wav").unlink()
    game.build(prune=True)
    assert _beside(game) == {"music/one.ogg.import"}
