"""Families of models: what a bundle holds of each, and the graph that is served."""
