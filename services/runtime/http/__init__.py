"""Addresses that answer over HTTP: nobody who is slow, silent or many keeps others from being answered."""
