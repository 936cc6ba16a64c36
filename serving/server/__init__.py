"""See after.py."""
