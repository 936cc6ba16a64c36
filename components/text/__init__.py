"""Text encoders for items."""
