"""Item towers, and what a user tower adds to pooled item vectors."""
