"""What a trained model has learned, as numbers and drawings."""
