"""Metrics: one implementation for validation, evaluation and benchmarks."""
