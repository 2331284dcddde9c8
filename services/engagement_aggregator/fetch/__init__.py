"""What is changed in aiokafka: batches without an object per record."""
