"""The loop of an adapter process: which placement is called next, and the calls themselves."""
