"""Tells others of placements and alerts by signed HTTP calls; nothing of it reaches back into publishing."""
