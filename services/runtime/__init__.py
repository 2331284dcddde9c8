"""Library of every service: settings, logging, metrics, health, Kafka, consume loop, dead letters, embedded broker."""
