"""Terminal input and output: options, progress, tables, paths."""
