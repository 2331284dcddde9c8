"""The fold of feedback into figures. Pure."""
