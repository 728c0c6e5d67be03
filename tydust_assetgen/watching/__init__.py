"""Watching: builds, waits until the manifest or a file changes, and builds again.

session     build, wait for a change, build again
changes     which files are followed, and when a change has settled
fs_events   the operating system's own events, or the reason why there are none and files are polled
exec_hook   the command that a person wants to be run after each publish
"""

from tydust_assetgen.watching.session import watch as watch

__all__ = ["watch"]
