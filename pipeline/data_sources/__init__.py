"""Data to start with: a public log that is fetched, and one that is made up."""
