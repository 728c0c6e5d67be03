"""Exports: files that stand beside the music, such as a catalogue, code, and what engines and build tools read."""
