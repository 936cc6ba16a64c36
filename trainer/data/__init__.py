"""Model inputs: feature names, Transform's graph, examples, the catalogue and its attributes."""
