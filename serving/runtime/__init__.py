"""A loaded model: signatures, batching, tensors, warm-up."""
