"""What `assetgen init` writes: a small manifest that builds, with comments for its reader, and lines for git."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tydust_assetgen.errors import UsageError
from tydust_assetgen.project.project import Project
from tydust_assetgen.system import read_bounded, write_atomic

_MANIFEST = """\
# The music of this game. `assetgen build` makes what is missing or stale, and nothing else.
# Every key is explained in docs/manifest.md; `assetgen lint` helps with prompts.

[game]
name   = {name}
assets = "assets"          # slots are written under this folder

[defaults]
generator = "composer"     # needs no GPU, no weights, no system package
loop      = true
loudness  = -16            # LUFS

[music]
# The short form: a slot, and what it should sound like in words.
"music/title.ogg" = '''
Heroic and playful chiptune title theme, C major, 140 BPM.
8 second intro with square leads. 16 second main theme with triangle bass and noise drums.
'''

# The long form.
[music."music/explore.ogg"]
genre    = "synthwave"
key      = "D minor"
bpm      = 90
also     = ["mp3"]         # further formats from the same master
mood     = ["mysterious", "calm"]
sections = [
  {{ name = "intro", seconds = 8,  prompt = "introspective, atmospheric synth pads, subtle arpeggios" }},
  {{ name = "main",  seconds = 24, prompt = "wonder and discovery, layered arpeggios, warm analog bass" }},
  {{ name = "outro", seconds = 8,  prompt = "reflective lead melody, returning to the intro" }},
]
"""
_IGNORED = "# what assetgen keeps for itself\n.assetgen/\n"


def write_starter(project: Project, name: str) -> list[Path]:
    """Write the manifest and the lines for `.gitignore`; returns what was written.

    Raises:
        UsageError: there is a manifest already.
    """
    if project.manifest.exists():
        raise UsageError(f"`{project.manifest.name}` is here already", hint="edit it; nothing was changed")
    title = msgspec.json.encode(name or project.root.name or "My Game").decode()
    write_atomic(project.manifest, _MANIFEST.format(name=title).encode())
    written = [project.manifest]
    ignore = project.root / ".gitignore"
    before = read_bounded(ignore, 1 << 20) if ignore.is_file() else b""
    if b".assetgen/" not in before.split():
        gap = b"" if not before or before.endswith(b"\n") else b"\n"
        write_atomic(ignore, before + gap + _IGNORED.encode())
        written.append(ignore)
    return written
