"""Batch jobs that are no TFX components."""
