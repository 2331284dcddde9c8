"""What `tongbo rebuild` does: a picture of the live aggregates, the comparison with a refold, the rebuilding itself."""
