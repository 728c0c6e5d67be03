"""Performing with a loaded model; the only code besides the decoder that imports torch."""
