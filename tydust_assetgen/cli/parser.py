"""The command line: every command with its options, and the function that runs it."""

from __future__ import annotations

import argparse
import re
from typing import Any

from tydust_assetgen.cli import build, hook, integrate, overview, query, takes
from tydust_assetgen.cli.argument_parser import ArgumentParser
from tydust_assetgen.version import VERSION

_SIZES = {"": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_AGES = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


def parser() -> ArgumentParser:
    """The whole command line of `assetgen`."""
    top = ArgumentParser(
        prog="assetgen",
        description="A game's music, built like code: from assets.toml to finished, verified, looping tracks.",
        epilog="Exit codes: 0 all is well; 1 something you can correct; 2 wrong usage or manifest; 3 our own bug.",
    )
    top.add_argument("--version", action="version", version=f"assetgen {VERSION}")
    _add_common(top)
    top.set_defaults(run=overview.overview, parser_=top)
    commands_ = top.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    _add_making(commands_)
    _add_looking(commands_)
    _add_helping(commands_, top)
    return top


def _add_common(to: argparse.ArgumentParser, *, hidden: bool = False) -> None:
    """Options that every command has. They may stand before or after its name; help shows them once."""

    def add(*names: str, default: object, help_: str, **more: Any) -> None:
        shown = argparse.SUPPRESS if hidden else help_
        to.add_argument(*names, default=argparse.SUPPRESS if hidden else default, help=shown, **more)

    add("-C", dest="folder", default=".", metavar="DIR", help_="work as if started in DIR")
    add("--manifest", default="assets.toml", metavar="FILE", help_="the manifest (default: assets.toml)")
    add("--color", choices=("auto", "always", "never"), default="auto", help_="colours in messages")
    add("-q", "--quiet", action="store_true", default=False, help_="say only what you must know")
    add("-v", "--verbose", action="store_true", default=False, help_="also say why")


def _command(to: argparse._SubParsersAction[ArgumentParser], name: str, help_: str, run: object) -> ArgumentParser:
    made = to.add_parser(name, help=help_, description=help_[0].upper() + help_[1:] + ".")
    made.set_defaults(run=run, parser_=made)
    _add_common(made, hidden=True)
    return made


def _json(to: argparse.ArgumentParser) -> None:
    to.add_argument("--json", action="store_true", help="JSON on stdout")


def _slots(to: argparse.ArgumentParser, help_: str = "only these slots") -> None:
    to.add_argument("slots", nargs="*", metavar="SLOT", help=help_)


def _add_making(to: argparse._SubParsersAction[ArgumentParser]) -> None:
    command = _command(to, "build", "make what is missing or stale, and nothing else", build.build)
    _slots(command)
    command.add_argument("--force", action="store_true", help="make these slots again, whatever is there")
    command.add_argument("--dry-run", action="store_true", help="say what would be made, why, and how long it takes")
    command.add_argument(
        "--jobs", "-j", type=_count, default=0, metavar="N", help="worker processes (default: one a core)"
    )
    command.add_argument("--prune", action="store_true", help="remove files that the manifest no longer asks for")
    command.add_argument(
        "--frozen", action="store_true", help="fail, and change nothing, when anything would have to be generated"
    )
    command.add_argument(
        "--offline-ok",
        action="store_true",
        help="what can't be made without a GPU comes from the cache, or is left out and no failure",
    )
    command.add_argument("--no-wait", action="store_true", help="fail when another build is at work here")
    command.add_argument(
        "--depfile", metavar="FILE", default="", help="write what the outputs depend on, for Make, Ninja"
    )
    command.add_argument(
        "--depfile-target", action="append", default=[], metavar="PATH", help="a target there instead of the outputs"
    )
    _json(command)
    _add_watch(to)
    adopt = _command(to, "adopt", "accept a file that you made or changed by hand", build.adopt)
    adopt.add_argument("slot", metavar="SLOT")
    pick = _command(to, "pick", "publish the take of a slot that you like best, and keep to it", takes.pick)
    pick.add_argument("slot", metavar="SLOT")
    pick.add_argument("take", metavar="TAKE", type=_take, help="its number, or `best` to take your pick back")
    _json(pick)
    gc = _command(to, "gc", "make the store smaller: what was not used for longest goes first", build.gc)
    gc.add_argument("--max-size", type=_bytes, metavar="SIZE", help="keep at most this much, such as 5GB")
    gc.add_argument("--max-age", type=_seconds, metavar="AGE", help="drop what was not used for this long, such as 30d")
    _json(gc)
    _add_cache(to)
    init = _command(to, "init", "write a commented assets.toml and the lines for .gitignore", build.init)
    init.add_argument("--name", default="", help="name of the game")


def _add_cache(to: argparse._SubParsersAction[ArgumentParser]) -> None:
    cache = _command(to, "cache", "look at the cache that the team shares, or fill it", _cache_status)
    deeds = cache.add_subparsers(title="commands", metavar="COMMAND", dest="deed", required=True)
    status = _command(deeds, "status", "show what the store and each remote have of the slots", _cache_status)
    push = _command(deeds, "push", "send what the store has of the slots to every remote", _cache_push)
    for one in (status, push):
        _slots(one)
        _json(one)


def _cache_status(arguments: argparse.Namespace) -> int:
    from tydust_assetgen.cli.cache import status

    return status(arguments)


def _cache_push(arguments: argparse.Namespace) -> int:
    from tydust_assetgen.cli.cache import push

    return push(arguments)


def _add_watch(to: argparse._SubParsersAction[ArgumentParser]) -> None:
    watch = _command(to, "watch", "build, and build again whenever something changes, until Ctrl-C", _watch)
    _slots(watch)
    watch.add_argument("--poll", action="store_true", help="look twice a second: for drives that give no signs")
    watch.add_argument(
        "--exec", metavar="CMD", help="run after each publish, without a shell, such as `reload {slot} {path}`"
    )
    watch.add_argument(
        "--jobs", "-j", type=_count, default=0, metavar="N", help="worker processes (default: one a core)"
    )
    _json(watch)


def _watch(arguments: argparse.Namespace) -> int:
    from tydust_assetgen.cli.watch import watch

    return watch(arguments)


def _add_looking(to: argparse._SubParsersAction[ArgumentParser]) -> None:
    status = _command(to, "status", "show the state of every slot", query.status)
    _slots(status)
    _json(status)
    explain = _command(to, "explain", "show what a slot's recipe is, and why it is fresh or stale", query.explain)
    explain.add_argument("slot", metavar="SLOT")
    _json(explain)
    shown = _command(to, "takes", "show the takes of a slot, how they were judged, and which is published", takes.takes)
    shown.add_argument("slot", metavar="SLOT")
    shown.add_argument("--export", metavar="DIR", help="write them as WAV files into DIR, to listen to")
    _json(shown)
    check = _command(to, "check", "exit 1 with the reasons when anything is not fresh (for hooks and CI)", query.check)
    _slots(check)
    check.add_argument("--staged", action="store_true", help="judge what git has staged (the pre-commit hook)")
    check.add_argument("--all", action="store_true", help="with --staged: also what this commit does not change")
    _json(check)
    verify = _command(to, "verify", "decode and measure what is published; exit 1 on any failure", query.verify)
    _slots(verify)
    verify.add_argument("--jobs", "-j", type=_count, default=0, metavar="N", help="worker processes")
    _json(verify)
    lint = _command(
        to, "lint", "judge the prompts by the pattern; exit 1 when there is something to improve", query.lint
    )
    _slots(lint)
    _json(lint)


def _add_helping(to: argparse._SubParsersAction[ArgumentParser], top: ArgumentParser) -> None:
    midi = _command(to, "midi", "write a slot's score as a MIDI file, to carry on in a DAW", build.midi)
    midi.add_argument("slot", metavar="SLOT")
    midi.add_argument("-o", "--output", metavar="FILE", help="default: the slot's name with .mid, here")
    plot = _command(to, "plot", "draw a slot's waveform and spectrogram as a PNG", build.plot)
    plot.add_argument("slot", metavar="SLOT")
    plot.add_argument("-o", "--output", metavar="FILE", help="default: the slot's name with .png, here")
    _add_models(to)
    _add_hook(to)
    listing = _command(to, "list", "print the files that the slots become, in the asset tree", integrate.list_files)
    _slots(listing)
    _json(listing)
    script = _command(
        to, "unity-script", "write the script that imports the music in Unity's editor", integrate.unity_script
    )
    script.add_argument("folder_", metavar="DIR", nargs="?", default="Assets/Editor", help="default: Assets/Editor")
    _command(to, "cmake-dir", "print where FindAssetgen.cmake lies", integrate.cmake_dir)
    schema = _command(to, "schema", "print the JSON Schema of assets.toml, for editors", query.schema)
    kinds, help_ = ("manifest", "events", "results"), "of assets.toml, of the events of --json, or of its results"
    schema.add_argument("what", nargs="?", choices=kinds, default="manifest", help=help_)
    about = _command(to, "help", "show all commands, or what one of them takes", overview.help_of)
    about.add_argument("about", metavar="COMMAND", nargs="?", help="such as build")
    about.set_defaults(top=top)
    doctor = _command(to, "doctor", "show versions, encoders and generators, and what is missing", query.doctor)
    _json(doctor)
    completion = _command(to, "completion", "print a completion script for your shell", query.completion)
    completion.add_argument("shell", choices=("bash", "zsh", "tcsh"))
    completion.set_defaults(parser=top)


def _add_models(to: argparse._SubParsersAction[ArgumentParser]) -> None:
    models = _command(to, "models", "show MusicGen's models and which are here", _models)
    models.add_argument("--folder", dest="folders", action="append", default=[], metavar="DIR", help="look there, too")
    _json(models)
    deeds = models.add_subparsers(title="commands", metavar="COMMAND", dest="deed")
    pull = _command(deeds, "pull", "fetch a model and what it needs into the hub cache, and check it", _pull)
    pull.add_argument("name", metavar="NAME", help="such as medium, or OWNER/NAME")
    pull.add_argument("--revision", default="", metavar="REV", help="commit, branch or tag (default: main)")
    _json(pull)


def _add_hook(to: argparse._SubParsersAction[ArgumentParser]) -> None:
    group = to.add_parser("hook", help="have git ask assetgen before each commit")
    group.set_defaults(parser_=group)
    _add_common(group, hidden=True)
    deeds = group.add_subparsers(title="commands", metavar="COMMAND", required=True, dest="deed")
    help_ = "put the pre-commit hook in place; a hook that is there stays, and runs first"
    _json(_command(deeds, "install", help_, hook.install))
    help_ = "take it away, and put back what was there before"
    _json(_command(deeds, "uninstall", help_, hook.uninstall))


def _models(arguments: argparse.Namespace) -> int:
    from tydust_assetgen.cli.models import listing

    return listing(arguments)


def _pull(arguments: argparse.Namespace) -> int:
    from tydust_assetgen.cli.models import pull

    return pull(arguments)


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 1024:
        raise argparse.ArgumentTypeError(f"`{text}` is not a number from 1 to 1024")
    return int(text)


def _take(text: str) -> int:
    if text == "best":
        return 0
    if not text.isdigit() or not 1 <= int(text) <= 16:
        raise argparse.ArgumentTypeError(f"`{text}` is neither the number of a take, from 1, nor `best`")
    return int(text)


def _bytes(text: str) -> int:
    return round(_measure(text, _SIZES, "a size, such as 500MB or 5GB"))


def _seconds(text: str) -> float:
    return _measure(text, _AGES, "an age, such as 12h or 30d")


def _measure(text: str, units: dict[str, int], wanted: str) -> float:
    found = re.fullmatch(r"(\d{1,12}(?:\.\d{1,6})?) ?([a-zA-Z]*)", text)
    if not found or found[2].lower() not in units:
        raise argparse.ArgumentTypeError(f"`{text}` is not {wanted}")
    return float(found[1]) * units[found[2].lower()]
