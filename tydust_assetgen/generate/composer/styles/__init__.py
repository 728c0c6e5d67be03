"""The genres that the composer knows, by name. A genre of another name is mapped to its nearest relative."""

from __future__ import annotations

from tydust_assetgen.generate.composer.styles.chiptune import CHIPTUNE
from tydust_assetgen.generate.composer.styles.darkwave import DARKWAVE
from tydust_assetgen.generate.composer.styles.industrial import INDUSTRIAL
from tydust_assetgen.generate.composer.styles.style import Style
from tydust_assetgen.generate.composer.styles.synthwave import SYNTHWAVE

STYLES: dict[str, Style] = {style.name: style for style in (SYNTHWAVE, DARKWAVE, INDUSTRIAL, CHIPTUNE)}
