"""Results of a run: metrics, gate verdicts, findings, tables."""
