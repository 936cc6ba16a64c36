"""Families of models: what their configuration, evaluation and results have of their own."""
