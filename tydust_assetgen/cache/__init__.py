"""A cache that a team shares: takes and files that somebody else has made are downloaded instead of made again.

config      which remotes there are
records     what a record looks like on a remote, and whether it may be trusted
download    fills the local store before anything is made
upload      fills the remotes while the rest is being made
session     both of them during one build
status      what there is here and on each remote

Workers know nothing of all this.
"""
