"""The platforms' calls to us: verified, written to `platform-callback`, then acknowledged."""
