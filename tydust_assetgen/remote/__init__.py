"""Caches elsewhere: a folder, an HTTP server, a bucket, a machine with SSH. In walk names, out walk bytes or nothing.

Nothing here knows what the bytes are: `sharing` does. What a remote gives is not trusted.
"""

from tydust_assetgen.remote.address import Address, Objection, read_address
from tydust_assetgen.remote.limits import side_by_side
from tydust_assetgen.remote.remote import Remote

__all__ = ["Address", "Objection", "Remote", "read_address", "side_by_side"]
