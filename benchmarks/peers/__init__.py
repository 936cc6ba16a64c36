"""Other libraries' multi-interest models beside ours: the same data, negatives and CPU time."""
