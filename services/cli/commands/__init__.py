"""The commands of `tongbo`, one file per command."""
