"""Batch jobs outside the TFX pipeline."""
