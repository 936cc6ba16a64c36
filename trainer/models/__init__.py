"""One folder a family, one file a model; trainer.models.registry finds them."""
