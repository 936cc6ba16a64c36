"""Analyses of trained models, as numbers and plots."""
