"""The `assetgen` command.

Exit codes: 0 all is well; 1 something a person can correct; 2 wrong usage or manifest; 3 our own bug, with a log file
named; 130 interrupted. A traceback never reaches a user.
"""

from __future__ import annotations

import sys

from tydust_assetgen.cli.fast_path import try_fast_path


def main(arguments: list[str] | None = None) -> int:
    """Run one command. `arguments` are those of the process when not given."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        code = try_fast_path(words)
        if code is None and "--staged" in words:
            from tydust_assetgen.cli import hook

            code = hook.try_fast_path(words)
        if code is None:
            from tydust_assetgen.cli.run import run

            code = run(words)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: what was done is kept\n")
        code = 130
    return code
