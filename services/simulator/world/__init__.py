"""The simulated platforms without HTTP: clock, posts, faults, call log."""
