"""Building while a person works. In walks a `Project`, and whenever something changes, its tree is brought up to date.

session    build, wait for a change, build again
lookout    what is followed, and when a change has settled
ears       who says that something may have changed: the system's own events, or nobody (polling)
aftermath  what a person wants to be run after each publish
"""

from tydust_assetgen.watching.session import watch as watch

__all__ = ["watch"]
