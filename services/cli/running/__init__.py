"""Running the pipeline on one machine: the supervisor, what it starts, and whether a campaign came out right."""
