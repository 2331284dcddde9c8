"""Commands that start, stop or rebuild the pipeline on this machine."""
