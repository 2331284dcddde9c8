"""The event types of the published topics, one module per subject."""
