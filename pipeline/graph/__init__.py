"""The pipeline as a TFX graph, and the cache keys of its components."""
