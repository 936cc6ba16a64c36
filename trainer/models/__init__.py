"""One file a model; trainer.models.registry finds them."""
