"""Tokens, quotas and alerts of the platform accounts."""
