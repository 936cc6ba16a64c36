"""Reads the log and the users' table, batch by batch."""
