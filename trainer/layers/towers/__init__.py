"""Item towers, and additions to pooled user vectors."""
