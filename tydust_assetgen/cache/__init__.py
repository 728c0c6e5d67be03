"""A cache that a team shares. In walk the steps of a plan, out walk takes and files that somebody else has made.

`settings` says which remotes there are, `papers` what a record looks like on one and whether to believe it, `bringing`
fills the local store before anything is made, `sending` fills the remotes while the rest is being made. Workers know
nothing of all this.
"""
