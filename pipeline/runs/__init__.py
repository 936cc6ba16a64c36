"""Runs of the pipeline and the records they leave."""
