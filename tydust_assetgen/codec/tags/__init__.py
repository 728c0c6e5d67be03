"""Tags and loop points inside encoded files."""
