"""HTTP to a platform, and the platform's calls that come back over Kafka."""
