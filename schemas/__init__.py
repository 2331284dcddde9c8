"""WHAT FLOWS: the event types and topic files of the pipeline. Imports nothing of the services."""
