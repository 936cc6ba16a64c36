"""Item retrieval models, one file per model."""
