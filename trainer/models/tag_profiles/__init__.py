"""Models that predict which tags a user likes, one file a model."""
