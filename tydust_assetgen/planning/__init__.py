"""What to do, and why: look at the project (`observe`), then decide (`plan`)."""
