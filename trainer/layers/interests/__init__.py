"""Interest extraction from a history, and read-outs for candidates."""
