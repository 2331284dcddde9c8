"""What `tongbo rebuild` does: snapshot, comparison with a refold, renewal."""
