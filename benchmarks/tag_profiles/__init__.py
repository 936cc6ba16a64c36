"""Models of profiles on several data sets: python -m benchmarks.tag_profiles."""
