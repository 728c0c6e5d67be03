"""The composer as a guide: a brief for MusicGen walks in, the brief that the composer plays of it walks out. Pure."""

from __future__ import annotations

import msgspec

from tydust_assetgen.flow import Brief
from tydust_assetgen.generate.composer.parameters import ComposerParameters


def composers(brief: Brief) -> Brief:
    """The same slot for the composer, with its default parameters."""
    parameters = msgspec.to_builtins(ComposerParameters())
    return msgspec.structs.replace(brief, generator="composer", parameters=parameters, references=(), takes=1, pick=0)
