"""Typed arrays out of columns: ids, times, labels, attributes."""
