"""Post-processing of MusicGen's samples: level at the joins, stereo width."""
