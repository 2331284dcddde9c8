"""Polls of live posts: when, by which client, on which thread."""
