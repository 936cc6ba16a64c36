"""TensorFlow Serving's REST interface, over the same services as gRPC."""
