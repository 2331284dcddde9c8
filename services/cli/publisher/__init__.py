"""The publisher's HTTP API as commands use it."""
