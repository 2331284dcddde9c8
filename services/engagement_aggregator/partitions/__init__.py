"""One owned partition: fold, flush, progress."""
