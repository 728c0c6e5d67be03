"""The command as a person runs it: words in, messages and exit codes out, in a real process."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import mido
import pytest
from conftest import PLUGINS, REPOSITORY, Game, command, environment

from tydust_assetgen.cli.progress import clock

ALL = (
    *("build", "watch", "status", "explain", "check", "takes", "pick", "verify", "lint", "adopt", "midi", "plot"),
    *("schema", "gc", "init", "doctor", "completion", "models", "list", "cmake-dir", "unity-script"),
)


@pytest.fixture
def built(game: Game) -> Game:
    game.slots({"music/one.ogg": "first", "music/two.ogg": "second"})
    game.build()
    return game


def test_nothing_to_do_is_said_at_once(built: Game) -> None:
    done = built.run("build")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "nothing to do: 2 slots fresh\n")
    done = built.run("check")
    assert (done.returncode, done.stderr) == (0, "all is fresh: 2 slots\n")


def test_the_quick_way_and_the_long_way_say_the_same(built: Game) -> None:
    quick = json.loads(built.run("build", "--json").stdout)
    built.project.state.unlink()
    lines = built.run("build", "--json").stdout.splitlines()
    long = json.loads(lines[-1])
    assert quick.keys() == long.keys()
    assert quick | {"seconds": 0} == long | {"seconds": 0}
    assert json.loads(lines[0])["event"] == "planned"


@pytest.mark.parametrize("changed", ["assets.toml", "assets.lock", "assets/music/one.ogg"])
def test_the_quick_way_sees_every_change(built: Game, changed: str) -> None:
    path = built.root / changed
    assert "nothing to do" in built.run("build").stderr
    path.write_bytes(path.read_bytes() + b"\n# more" if changed.endswith("toml") else path.read_bytes()[:-9])
    done = built.run("build")
    assert done.returncode == 0
    if changed.endswith("ogg"):
        assert "restored    music/one.ogg" in done.stderr
    if changed.endswith("lock"):
        assert "damaged" in done.stderr
    assert built.run("build").stderr == "nothing to do: 2 slots fresh\n"
    assert built.locked() == built.digests()


def test_dry_run_says_what_and_why_and_changes_nothing(built: Game) -> None:
    built.slots({"music/one.ogg": "changed", "music/two.ogg": "second"})
    before = {path: path.stat().st_mtime_ns for path in built.root.rglob("*")}
    done = built.run("build", "--dry-run")
    assert done.returncode == 0
    assert done.stdout.startswith("generate  music/one.ogg\n")
    assert 'prompt: "first" -> "changed"' in done.stdout
    assert "would make 1 slot, in about" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in built.root.rglob("*")} == before
    paper = json.loads(built.run("build", "--dry-run", "--json").stdout)
    assert [step["slot"] for step in paper["steps"]] == ["music/one.ogg"]
    assert paper["estimate_s"] > 0


def test_status_names_states_and_orphans(built: Game) -> None:
    built.slots({"music/one.ogg": "changed", "music/three.ogg": "third"})
    done = built.run("status")
    assert done.returncode == 0
    assert "generate  music/one.ogg" in done.stdout
    assert "`music/three.ogg` was never built" in done.stdout
    assert "orphan    music/two.ogg" in done.stdout
    paper = json.loads(built.run("status", "--json").stdout)
    assert [step["action"] for step in paper["slots"]] == ["generate", "generate"]
    assert paper["orphans"][0]["path"] == "music/two.ogg"


def test_explain_shows_recipe_and_reason(built: Game) -> None:
    assert "the recipe and the file are the ones in the lock file" in built.run("explain", "music/one.ogg").stdout
    built.slots({"music/one.ogg": "first", "music/two.ogg": "second"}, more="loudness = -20")
    done = built.run("explain", "music/one.ogg")
    assert "target_lufs: -16 -> -20" in done.stdout
    assert "-20 LUFS" in done.stdout
    assert json.loads(built.run("explain", "music/one.ogg", "--json").stdout)["action"] == "finish"


def test_check_fails_with_reasons_when_anything_is_not_fresh(built: Game) -> None:
    built.path("music/one.ogg").unlink()
    done = built.run("check")
    assert done.returncode == 1
    assert "not fresh: music/one.ogg: `music/one.ogg` is missing" in done.stderr
    assert "hint: `assetgen build`" in done.stderr
    assert built.run("check", "music/two.ogg").returncode == 0
    assert json.loads(built.run("check", "--json").stdout)["stale"][0]["slot"] == "music/one.ogg"


def test_verify_prints_a_table_and_fails_on_damage(built: Game) -> None:
    done = built.run("verify")
    assert done.returncode == 0, done.stdout
    for check in ("digest", "loudness", "true_peak", "seam", "silence"):
        assert check in done.stdout
    assert "2 of 2 files verified" in done.stdout
    assert built.run("verify", "-q").stdout == ""
    built.path("music/one.ogg").write_bytes(built.path("music/two.ogg").read_bytes())
    quiet = built.run("verify", "-q").stdout
    assert quiet.startswith("music/one.ogg")
    assert quiet.endswith("1 of 2 files verified, 1 failed\n")
    done = built.run("verify", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["ok"] is False
    built.path("music/one.ogg").unlink()
    assert "it is missing" in built.run("verify", "music/one.ogg").stdout


def test_adopt_and_force(built: Game) -> None:
    built.path("music/one.ogg").write_bytes(built.path("music/two.ogg").read_bytes() + b"")
    built.project.store.gc(max_bytes=0)
    done = built.run("build")
    assert done.returncode == 0
    assert "left alone  music/one.ogg: `music/one.ogg` was modified by hand" in done.stderr
    assert "assetgen adopt music/one.ogg" in done.stderr
    assert built.run("adopt", "music/one.ogg").returncode == 0
    assert "nothing to do" in built.run("build").stderr
    assert built.run("build", "--force", "music/one.ogg").returncode == 0
    assert built.digests()["music/one.ogg"] != built.digests()["music/two.ogg"]


def test_force_needs_slots(built: Game) -> None:
    done = built.run("build", "--force")
    assert done.returncode == 2
    assert "hint: such as `assetgen build --force SLOT`" in done.stderr


def test_init_writes_a_manifest_that_reads_and_lints(game: Game) -> None:
    (game.root / ".gitignore").write_text("*.pyc")
    done = game.run("init", "--name", 'The "Game"')
    assert done.returncode == 0
    assert (game.root / ".gitignore").read_text() == "*.pyc\n# what assetgen keeps for itself\n.assetgen/\n"
    assert 'name   = "The \\"Game\\""' in (game.root / "assets.toml").read_text()
    assert game.run("build", "--dry-run").returncode == 0
    assert game.run("lint").returncode == 0
    again = game.run("init")
    assert again.returncode == 2
    assert "`assets.toml` is here already" in again.stderr


def test_midi_writes_the_score(game: Game) -> None:
    game.run("init")
    done = game.run("midi", "music/explore.ogg", "-o", "explore.mid")
    assert done.returncode == 0
    file = mido.MidiFile(game.root / "explore.mid")
    assert file.length == pytest.approx(40, abs=2)
    assert sum(message.type == "note_on" for track in file.tracks for message in track) > 200


def test_midi_of_a_generator_without_a_score_is_refused(built: Game) -> None:
    done = built.run("midi", "music/one.ogg")
    assert done.returncode == 1
    assert "the generator `tone` writes no score" in done.stderr


def test_plot_draws_a_picture(built: Game) -> None:
    done = built.run("plot", "music/one.ogg", "-o", "one.png")
    assert done.returncode == 0, done.stderr
    assert (built.root / "one.png").read_bytes().startswith(b"\x89PNG")
    built.path("music/two.ogg").unlink()
    done = built.run("plot", "music/two.ogg")
    assert done.returncode == 1
    assert "hint: `assetgen build music/two.ogg` makes it" in done.stderr


def test_gc_bounds_the_store(built: Game) -> None:
    done = built.run("gc", "--max-size", "0MB", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["kept_bytes"] == 0
    assert not list((built.root / ".assetgen/store/objects").rglob("*.*"))
    assert built.counts() == {"fresh": 2}
    assert built.run("gc", "--max-size", "many").returncode == 2


def test_doctor_names_versions_encoders_and_generators(game: Game) -> None:
    paper = json.loads(game.run("doctor", "--json").stdout)
    assert paper["versions"]["assetgen"]
    assert paper["encoders"]["ogg"] == "ok"
    assert paper["generators"]["composer"].startswith("ok")
    assert paper["generators"]["tone"].startswith("ok")


def test_a_broken_plug_in_is_named_by_doctor_and_harms_nobody(game: Game, tmp_path: Path) -> None:
    plugin = tmp_path / "plugin/broken-1.0.dist-info"
    plugin.mkdir(parents=True)
    (plugin / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (plugin / "entry_points.txt").write_text("[tydust_assetgen.generators]\nbroken = no_such_module:Thing\n")
    path = os.pathsep.join([str(plugin.parent), str(PLUGINS), str(REPOSITORY)])
    done = subprocess.run(
        command("doctor", "--json"),
        env={**environment(), "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "No module named 'no_such_module'" in json.loads(done.stdout)["generators"]["broken"]


def test_schema_is_json(game: Game) -> None:
    assert json.loads(game.run("schema").stdout)["type"] == "object"


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_is_a_script_of_that_shell(game: Game, shell: str) -> None:
    script = game.run("completion", shell).stdout
    assert "--dry-run" in script
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)


@pytest.mark.parametrize("name", ALL)
def test_every_command_has_help(game: Game, name: str) -> None:
    done = game.run(name, "--help")
    assert done.returncode == 0
    assert f"assetgen {name}" in done.stdout


def test_wrong_words_get_help_and_exit_code_2(game: Game) -> None:
    done = game.run("biuld")
    assert done.returncode == 2
    assert done.stderr == "error: there is no command `biuld`\n  hint: did you mean `build`?\n"
    assert game.run("build", "--job", "2").returncode == 2
    assert game.run("build", "--jobs", "0").returncode == 2


def test_no_manifest_says_how_to_get_one(game: Game) -> None:
    done = game.run("build")
    assert done.returncode == 2
    assert "hint" in done.stderr
    assert "assetgen init" in done.stderr
    assert not (game.root / ".assetgen").exists()


def test_all_mistakes_of_a_manifest_are_reported_at_once(game: Game) -> None:
    game.write('[music]\n"../x.ogg" = "a"\n"b.xyz" = "b"\n[music."c.ogg"]\nprompt = "c"\nbpm = 1000\n')
    done = game.run("build", "--json")
    assert done.returncode == 2
    assert done.stderr.count("error: assets.toml:") == 3
    assert done.stdout == ""
    assert sorted(path.name for path in game.root.iterdir()) == ["assets.toml"]


def test_another_folder_and_another_manifest(built: Game, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    done = subprocess.run(
        command("-C", str(built.root), "build"),
        cwd=elsewhere,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "nothing to do" in done.stderr
    (built.root / "assets.toml").rename(built.root / "other.toml")
    (built.root / "assets.lock").rename(built.root / "other.lock")
    assert "nothing to do" in built.run("--manifest", "other.toml", "build").stderr


def test_a_closed_pipe_is_no_error(built: Game) -> None:
    done = subprocess.run(
        f"{' '.join(command('schema'))} | head -1",
        shell=True, cwd=built.root, env=environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "{\n"
    assert done.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", [("build", "--json"), ("status", "--json")], ids=["quick", "whole"])
def test_what_cannot_be_written_is_an_error_in_words(built: Game, words: tuple[str, ...], unbuffered: str) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command(*words), cwd=built.root, env=environment() | {"PYTHONUNBUFFERED": unbuffered},
            stdout=full, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "error: No space left on device"
    assert "Traceback" not in done.stderr
    assert "ignored" not in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="a shell closes the descriptor")
@pytest.mark.parametrize("words", ["build", "status"])
def test_a_command_works_without_stdout_and_stderr(built: Game, words: str) -> None:
    line = ["sh", "-c", '"$@" >&- 2>&-', "sh", *command(words)]
    assert subprocess.run(line, cwd=built.root, env=environment()).returncode == 0


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.44, "0.4 s"), (89, "89 s"), (185, "3:05 min"), (5399, "89:59 min"), (6000, "1:40 h")]
)
def test_times_are_said_in_the_unit_that_a_person_would_take(seconds: float, words: str) -> None:
    assert clock(seconds) == words


def test_quiet_and_color(built: Game) -> None:
    assert built.run("-q", "build").stderr == ""
    assert "\x1b[" in built.run("--color", "always", "status").stdout
    assert "\x1b[" not in built.run("--color", "never", "status").stdout


def test_a_read_only_project_fails_in_words(built: Game) -> None:
    if os.geteuid() == 0:
        blocker = built.root / ".assetgen"
        import shutil

        shutil.rmtree(blocker)
        blocker.write_text("a file where the folder should be")
    else:
        built.root.chmod(0o500)
    built.path("music/one.ogg").unlink()
    done = built.run("build")
    assert done.returncode == 1
    assert "error: can't lock" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_terminal_gets_bars_and_its_cursor_back(game: Game) -> None:
    import pty

    game.slots({"a.wav": "tune", "b.wav": "song"}, slow_s=0.6)
    parent, child = pty.openpty()
    environment_ = {**environment(), "TERM": "xterm-256color", "COLUMNS": "100"}
    build = subprocess.Popen(command("build"), cwd=game.root, env=environment_, stdout=child, stderr=child)
    os.close(child)
    shown = b""
    while chunk := _read(parent):
        shown += chunk
    os.close(parent)
    assert build.wait(30) == 0
    text = shown.decode()
    assert "2 slots of 2 to make" in text
    assert "generate" in text
    assert " %" in text
    assert "made        a.wav" in text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h")  # hidden and shown again


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65_536)
    except OSError:  # Linux says so when the other end is closed
        return b""


def test_options_stand_before_or_after_the_command(built: Game, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = Game(tmp_path_factory.mktemp("elsewhere"))
    before = elsewhere.run("-C", str(built.root), "status", "--json").stdout
    assert elsewhere.run("status", "-C", str(built.root), "--json").stdout == before
    assert json.loads(before)["slots"]


STEERING = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202e\u200f\r"


def test_nothing_from_a_file_steers_the_terminal(game: Game) -> None:
    """Whatever may hold any text: the lock file, tags and chunks of a sound, a prompt, a name in a message."""
    game.slots({"a.wav": "a"})
    game.build()
    lock = game.project.lock_file
    lock.write_text(lock.read_text().replace('"generator": "tone"', json.dumps({"generator": STEERING})[1:-1]))
    assert "\\u001b" in lock.read_text()
    game.slots({"a.wav": f"other {STEERING}".replace("\r", "")})
    sound = game.root / "assets/a.wav"
    data = bytearray(sound.read_bytes())
    data[12:16] = b"\x1b[2J"  # the name of the first chunk
    sound.write_bytes(data)
    (game.root / "genres.toml").write_text("")
    lines = "status", "explain a.wav", "verify", "check", "lint", "build --dry-run -v", "build", "list", "takes a.wav"
    for words in (*map(str.split, lines), ["build", STEERING], [STEERING], ["--manifest", STEERING, "build"]):
        done = game.run(*words)
        shown = done.stdout + done.stderr
        bad = [one for one in shown if not one.isprintable() and one != "\n"]
        assert bad == [], (words, shown)
        assert "Traceback" not in shown


@pytest.mark.skipif(os.name == "nt", reason="names of files are Unicode there")
@pytest.mark.parametrize("words", ["check", "build", "status", "verify"])
def test_a_locale_without_a_letter_is_an_error_in_words(game: Game, words: str) -> None:
    game.slots({"title \u266b.wav": "a"})
    plain = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
    done = subprocess.run(
        command(words), cwd=game.root, env=environment() | plain, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: names of files can't hold `\\u266b` here: the locale is ascii\n  hint: set ")
    assert game.run(words).returncode == (0 if words in ("build", "status") else 1)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_letters_that_a_terminal_does_not_have_are_written_out(game: Game, encoding: str) -> None:
    game.slots({"m\u016fzika/\u97f3.wav": "\u266b caf\xe9"})
    game.build()
    for words in (["status"], ["list"], ["explain", "m\u016fzika/\u97f3.wav"], ["verify"], ["check"], ["build"]):
        done = subprocess.run(
            command(*words), cwd=game.root, env=environment() | {"PYTHONIOENCODING": encoding}, capture_output=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    listed = subprocess.run(
        command("list", "--json"),
        cwd=game.root,
        env=environment() | {"PYTHONIOENCODING": encoding},
        capture_output=True,
    )
    assert "m\u016fzika/\u97f3.wav" in json.dumps(json.loads(listed.stdout), ensure_ascii=False)


@pytest.mark.parametrize(
    ("words", "what", "hint"),
    [
        ("build --forse", "there is no option `--forse` here", "did you mean `--force`?"),
        ("init --genre", "there is no option `--genre` here", "`assetgen init --help` shows how"),
        ("build --dry", "there is no option `--dry` here", "did you mean `--dry-run`?"),
        ("build --jbos=3", "there is no option `--jbos=3` here", "did you mean `--jobs`?"),
        ("cache sttaus", "there is no command `sttaus`", "did you mean `status`?"),
        ("help biuld", "there is no command `biuld`", "did you mean `build`?"),
        ("qqq", "there is no command `qqq`", "`assetgen help` lists them all"),
        ("--color blue build", "`--color` can't be `blue`", "one of auto, always, never"),
        ("doctor now", "`now` is one word too many", "`assetgen doctor --help` shows how"),
        ("explain", "the following arguments are required: SLOT", "`assetgen explain --help` shows how"),
    ],
)
def test_what_was_probably_meant_is_named(game: Game, words: str, what: str, hint: str) -> None:
    done = game.run(*words.split())
    assert done.returncode == 2
    assert done.stderr == f"error: {what}\n  hint: {hint}\n"
    assert done.stdout == ""


def test_alone_it_says_where_the_project_stands_and_what_comes_next(game: Game) -> None:
    done = game.run()
    assert done.returncode == 0
    assert "no `assets.toml` here" in done.stdout
    assert "assetgen init" in done.stdout
    game.slots({"a.wav": "a", "b.wav": "b"})
    assert game.run().stdout.startswith("0 of 2 slots fresh, 2 to be made or written\n  assetgen build ")
    game.build()
    assert game.run().stdout.startswith("2 of 2 slots fresh\n  assetgen watch ")


def test_help_is_a_command_too(game: Game) -> None:
    assert game.run("help").stdout == game.run("--help").stdout
    assert game.run("help", "build").stdout == game.run("build", "--help").stdout


def test_from_a_folder_below_the_project_is_found(built: Game) -> None:
    below = built.root / "src/deep"
    below.mkdir(parents=True)
    there = {"cwd": below, "env": environment(), "text": True, "capture_output": True}
    assert subprocess.run(command("check"), **there).stderr == built.run("check").stderr  # type: ignore[call-overload]
    named = subprocess.run(command("--manifest", "assets.toml.bak", "check"), **there)  # type: ignore[call-overload]
    assert named.returncode == 2
    assert subprocess.run(command("init"), **there).returncode == 0  # type: ignore[call-overload]
    assert (below / "assets.toml").is_file()


def test_a_pattern_names_all_slots_that_fit(game: Game) -> None:
    game.slots({"music/boss1.wav": "a", "music/boss2.wav": "b", "music/menu.wav": "c", "music/[x].wav": "d"})
    assert game.run("build", "music/boss*").stderr.splitlines()[-1].startswith("2 generated")
    assert sorted(game.digests()) == ["music/boss1.wav", "music/boss2.wav"]
    assert game.run("build", "music/[x].wav").returncode == 0, "a name is a name first"
    assert (game.root / "assets/music/[x].wav").is_file()
    done = game.run("build", "music/boos*")
    assert done.returncode == 2
    assert "no slot `music/boos*`" in done.stderr


@pytest.mark.parametrize("words", ["explain", "takes", "adopt", "midi", "plot", "pick"])
def test_what_is_about_one_slot_takes_its_whole_name(built: Game, words: str) -> None:
    before = built.project.lock_file.read_bytes()
    for pattern in ("*", "one.*", "*.wav"):
        done = built.run(words, pattern, *(["1"] if words == "pick" else []))
        assert done.returncode == 2
        assert done.stderr.startswith(f"error: the manifest has no slot `{pattern}`\n")
    assert built.project.lock_file.read_bytes() == before


def test_merge_marks_are_called_so(built: Game) -> None:
    manifest = built.project.manifest
    text = manifest.read_text()
    manifest.write_text(f"{text}<<<<<<< ours\n=======\n>>>>>>> theirs\n")
    done = built.run("build")
    assert f"assets.toml:{text.count(chr(10)) + 1}: has a merge conflict" in done.stderr
    assert "delete the marks, then build" in done.stderr
    manifest.write_text(text)
    lock = built.project.lock_file
    lock.write_text(lock.read_text().replace("\n\n{", "\n\n<<<<<<< ours\n{", 1))
    assert "has a merge conflict" in built.run("status").stderr
