"""The posts that are polled: their cursors and the comments already collected."""
