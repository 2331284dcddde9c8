"""Rows in memory: their keys, their times, their sums, their size."""
