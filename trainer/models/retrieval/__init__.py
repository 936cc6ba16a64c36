"""Item retrieval models, one file a model."""
