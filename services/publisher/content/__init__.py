"""Checks of a content before it is accepted. Pure."""
