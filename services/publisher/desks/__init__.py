"""What a request does: one handler for contents, one for commands, one for queries."""
