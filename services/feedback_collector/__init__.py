"""Brings comments and metrics of every live post back into one unified topic."""
