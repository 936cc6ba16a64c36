"""Records of runs: run.json, and the list of runs."""
