"""Loading a model with torch and audiocraft, and making takes with it."""
