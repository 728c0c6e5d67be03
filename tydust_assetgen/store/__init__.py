"""The store: takes, masters and encoded files that were made once and need not be made again.

`store` keeps them, `records` is what it knows of them.
"""

from tydust_assetgen.store.records import (
    Collected,
    Kind,
    MasterRecord,
    OutputRecord,
    Record,
    StoredAudio,
    TakeRecord,
    digest_in,
    is_digest,
)
from tydust_assetgen.store.store import Store

__all__ = [
    "Collected",
    "Kind",
    "MasterRecord",
    "OutputRecord",
    "Record",
    "Store",
    "StoredAudio",
    "TakeRecord",
    "digest_in",
    "is_digest",
]
