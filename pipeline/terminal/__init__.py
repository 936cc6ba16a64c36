"""What a person types and reads: options, progress, tables, paths."""
