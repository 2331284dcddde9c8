"""Commands that only read: where things stand, and why."""
