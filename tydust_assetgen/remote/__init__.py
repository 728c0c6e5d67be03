"""Reads and writes caches elsewhere: a folder, an HTTP server, a bucket, or a machine with SSH.

Nothing here knows what the bytes are: `cache` does. For another kind of remote, write a class that satisfies
`remote.Transport`, name its scheme in `address`, and open it in `remote.open_transport`. What a remote gives is not
trusted. To read a manifest, only `address` is loaded; each kind of remote brings its own library when it is used.
"""
