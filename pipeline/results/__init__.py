"""What a run found: metrics, verdicts of the gates, findings in words, tables."""
