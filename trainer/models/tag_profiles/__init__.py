"""Models of the tags that a user likes, one file per model."""
