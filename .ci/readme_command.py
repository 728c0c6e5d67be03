"""Print one of the README's set-up commands, exactly as a reader would copy it."""

import re
import sys
from pathlib import Path

readme = Path(__file__).resolve().parent.parent / "README.md"
pattern = rf"<!-- command {int(sys.argv[1])} -->\n```sh\n(.+?)\n```"
found = re.search(pattern, readme.read_text(encoding="utf-8"), re.DOTALL)
if not found:
    sys.exit(f"README.md has no command {sys.argv[1]}")
sys.stdout.write(found[1] + "\n")
