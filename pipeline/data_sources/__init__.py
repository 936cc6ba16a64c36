"""Data sets to start with: MovieLens-100K and generated logs."""
