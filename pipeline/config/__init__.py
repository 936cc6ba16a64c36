"""Configuration of a run or a pre-training, validated before anything starts."""
