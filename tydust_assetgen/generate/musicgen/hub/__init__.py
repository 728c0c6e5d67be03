"""Models from the hub into its cache, and what is there."""
