"""What can be known of MusicGen, its models and a brief without loading torch."""
