"""A user's history as tensors: masks, prefixes, positions, context."""
