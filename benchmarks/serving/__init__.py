"""The server and its indexes, measured."""
