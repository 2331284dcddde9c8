"""Uploaded media files: stored under their hash, typed and measured by their content."""
