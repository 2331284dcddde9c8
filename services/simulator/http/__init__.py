"""The simulator's HTTP server: requests, faults on the wire, admin API, webhooks."""
