"""Every model on several data sets, beside what everyone has: python -m benchmarks.retrieval."""
