"""Encodes tf.Examples: windows, impressions, items."""
