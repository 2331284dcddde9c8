"""1 — accepts a master content, checks that it fits every platform it goes to, and puts it on the log."""
