"""Sequences of users, and the windows they are cut into."""
