"""Bytes behind media references: verified files, parts of files, downloads."""
