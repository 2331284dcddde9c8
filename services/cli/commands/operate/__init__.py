"""Commands that publish and that act on what was published."""
