"""What commands tell: a placement's story, root causes of failures, dead letters."""
