"""Runs a TFX pipeline, one run at a time in a folder."""
