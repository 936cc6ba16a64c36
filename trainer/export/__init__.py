"""The trained SavedModel of each family."""
