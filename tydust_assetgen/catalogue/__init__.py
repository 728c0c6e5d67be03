"""The music as a game sees it at run time. In walk lock entries, out walk a catalogue and code that names its tracks.

Everything here is read from the lock file, so that it can be written for tracks that were made long ago, on another
machine, without their files being looked at.
"""

from tydust_assetgen.catalogue.code import MARK, code
from tydust_assetgen.catalogue.tracks import CATALOG_FORMAT, File, IsAsked, Loop, Section, Track, catalog, tracks_of

__all__ = ["CATALOG_FORMAT", "MARK", "File", "IsAsked", "Loop", "Section", "Track", "catalog", "code", "tracks_of"]
