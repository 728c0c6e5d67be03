"""The `assetgen` command.

Exit codes: 0 all is well; 1 something a person can correct; 2 wrong usage or manifest; 3 our own bug, with a log file
named; 130 interrupted. A traceback never reaches a user.
"""

from __future__ import annotations

import gc
import io
import os
import sys

from tydust_assetgen.cli.fast_path import try_fast_path


def command() -> None:
    """The program `assetgen`: `main`, and the end of the process.

    Where a fast path has answered, nothing is left to tidy up, and the process ends at once. Python would spend a
    tenth of the time of a hook on taking its modules apart.
    """
    for name in ("stdout", "stderr"):  # closed by whoever started us, such as a service: messages are lost
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  stays open to the end
    if isinstance(sys.stdout, io.TextIOWrapper):  # JSON is UTF-8; what else has no letter here is written out
        sys.stdout.reconfigure(encoding="utf-8" if "--json" in sys.argv else None, errors="backslashreplace")
    code = main()
    if "tydust_assetgen.cli.run" not in sys.modules:
        os._exit(code)
    sys.exit(code)


def main(arguments: list[str] | None = None) -> int:
    """Run one command. `arguments` are those of the process when not given."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        code = _try_fast_paths(words)
        if code is None:
            from tydust_assetgen.cli.run import run

            code = run(words)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: what was done is kept; `assetgen build` goes on from there\n")
        code = 130
    return code


def _try_fast_paths(words: list[str]) -> int | None:
    """The exit code of what can be answered before the rest of the program is loaded, else `None`.

    Python looks for garbage while it loads modules, and finds none: a 20th of the time that a hook takes.
    """
    gc.disable()
    try:
        code = try_fast_path(words)
        if code is None and "--staged" in words:
            from tydust_assetgen.cli import hook

            code = hook.try_fast_path(words)
        sys.stdout.flush()
        sys.stderr.flush()
    except Exception:  # noqa: BLE001  whatever it is, such as a disk that is full: the whole program says it in words
        return None
    else:
        return code
    finally:
        gc.enable()
