"""Media that lie elsewhere: fetched once, from public addresses only."""
