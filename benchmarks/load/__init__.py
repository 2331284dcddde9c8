"""The workload of the benchmark, and what its totals must be."""
