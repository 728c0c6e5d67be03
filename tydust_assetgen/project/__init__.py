"""One project on the disk: its folders, lock file, state, and the keys of its slots."""
