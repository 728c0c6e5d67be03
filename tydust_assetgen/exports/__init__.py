"""Files that stand beside the music: a catalogue, code, what an engine or a build tool reads."""
