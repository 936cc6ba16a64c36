"""From scores to a list, in the graph: evaluation and serving call the same functions."""
