"""Families of models: what training and export do differently for each."""
