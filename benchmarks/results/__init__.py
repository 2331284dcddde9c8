"""Figures: measured, kept, reported."""
