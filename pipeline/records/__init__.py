"""What a run leaves: run.json, and the list of runs made of it."""
