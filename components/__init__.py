"""TFX components: thin wrappers around plain functions."""
