"""Measurements: what `make bench` runs and writes to docs/benchmarks.md."""
