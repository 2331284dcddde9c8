"""Access tokens and roles."""
