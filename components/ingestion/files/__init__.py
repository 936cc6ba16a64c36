"""Tables on disk, before their rows are read; files written whole; the report of what was read."""
