"""Validation of a bundle before it is pushed."""
