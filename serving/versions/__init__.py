"""Versions of models: wanted, loaded, leased, unloaded."""
