"""Evaluation configuration of each family, and paired differences to the baseline."""
