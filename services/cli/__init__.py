"""The `tongbo` command, one file per command."""
