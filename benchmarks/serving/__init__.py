"""What a served model costs: python -m benchmarks.serving."""
