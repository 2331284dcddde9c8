"""The common path of the fold in C: telling records apart, reading events, and what most of them do to a post."""
