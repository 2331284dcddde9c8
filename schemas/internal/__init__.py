"""Types of internal topics: state that its owner can rebuild."""
