"""Builds: tasks for worker processes, and what becomes of their answers."""
