"""The state that the publisher rebuilds from Kafka, and the writer of new records."""
