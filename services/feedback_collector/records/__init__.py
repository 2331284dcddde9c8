"""From what a poll or callback found to feedback records. Pure."""
