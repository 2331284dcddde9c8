"""Watches the pipeline from outside: what is overdue, stalled or silent becomes an alert, and ends as one."""
