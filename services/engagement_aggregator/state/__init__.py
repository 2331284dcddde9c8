"""The table on disk and its changelog."""
