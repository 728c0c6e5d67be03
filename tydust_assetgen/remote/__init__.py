"""Caches elsewhere: a folder, an HTTP server, a bucket, a machine with SSH. In walk names, out walk bytes or nothing.

Nothing here knows what the bytes are: `sharing` does. What a remote gives is not trusted. To read a manifest, only
`address` is loaded; each kind of remote brings its own library when it is used.
"""
