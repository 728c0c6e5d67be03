"""Answers `build` and `check` when nothing is to do, before the rest of the program is loaded.

Only `build` and `check` without slots come through here. The manifest's digest and the stats of all files are compared
with the state of the last build; whenever anything differs, the whole program is loaded and examines everything.
"""

from __future__ import annotations

import os
import sys

from tydust_assetgen.project.state import digest_of_manifest, read_plain_file, read_state


def try_fast_path(arguments: list[str]) -> int | None:
    """0 when every slot is fresh, as the last build left it; `None` when the whole program has to look."""
    folder, command, json, quiet = "", "", False, False
    words = iter(arguments)
    for word in words:
        if word == "-C":
            folder = next(words, "")
            if not folder:
                return None
        elif word == "--json" and command:
            json = True
        elif word == "-q":
            quiet = True
        elif not command and word in ("build", "check"):
            command = word
        else:
            return None
    slots = _fresh_slots(folder or os.curdir) if command else None
    if slots is None:
        return None
    _print_summary(command, slots, json, quiet)
    return 0


def _fresh_slots(folder: str) -> int | None:
    """How many slots there are when all are fresh."""
    state = read_state(os.path.join(folder, ".assetgen", "assets.state"))
    if state is None or not state.complete:
        return None
    try:
        manifest = read_plain_file(os.path.join(folder, "assets.toml"), over_link=True)
    except OSError:
        return None
    same = state.manifest == digest_of_manifest(manifest)
    same = same and state.watched_unchanged(folder) and state.outputs_unchanged(folder)
    return state.slot_count if same else None


def _print_summary(command: str, slots: int, json: bool, quiet: bool) -> None:
    noun = "slot" if slots == 1 else "slots"
    if json and command == "build":
        counts = '"generated":0,"finished":0,"encoded":0,"restored":0'
        tail = '"failed":0,"blocked":0,"absent":0,"pruned":0,"seconds":0.0'
        sys.stdout.write(f'{{"event":"summary",{counts},"fresh":{slots},{tail}}}\n')
    elif json:
        sys.stdout.write(f'{{"fresh":{slots},"stale":[],"beside":[]}}\n')
    elif not quiet:
        text = f"nothing to do: {slots} {noun} fresh" if command == "build" else f"all is fresh: {slots} {noun}"
        sys.stderr.write(text + "\n")
