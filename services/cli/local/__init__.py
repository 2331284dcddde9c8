"""The pipeline on this machine: processes, ports, files, locks."""
