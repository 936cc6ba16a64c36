"""Input files before their rows are read, atomic writes, and the ingestion report."""
