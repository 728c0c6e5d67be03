"""What people and programs ask besides a build: look, adopt, choose a take, verify, plot."""
