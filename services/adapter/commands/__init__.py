"""Operator commands as the worker sees them: read, kept, and how fresh that view is."""
