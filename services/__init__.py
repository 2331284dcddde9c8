"""The services of the pipeline: publisher, adapters, feedback collector, engagement aggregator, simulator."""
