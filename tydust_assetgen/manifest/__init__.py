"""The manifest `assets.toml`: reading it gives a `Manifest`, which gives one `Recipe` for each slot.

Reading does next to nothing per slot, so that a large manifest with one edited slot costs little; a slot is
checked and resolved when its recipe is asked for. Every mistake of a person is reported at once, each with its place.
"""

from tydust_assetgen.manifest.read import Manifest, read_manifest
from tydust_assetgen.manifest.references import SLOT
from tydust_assetgen.manifest.schema import json_schema
from tydust_assetgen.manifest.settings import Cache
from tydust_assetgen.manifest.toml_text import MAX_BYTES

__all__ = ["MAX_BYTES", "SLOT", "Cache", "Manifest", "json_schema", "read_manifest"]
