"""How commands write, end, show times and find addresses."""
