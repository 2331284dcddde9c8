"""The platforms as they really behave, for development, tests and drills."""
