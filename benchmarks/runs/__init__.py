"""One run of one contender."""
