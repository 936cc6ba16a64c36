"""The configuration of a run or a pre-training, checked before anything starts."""
