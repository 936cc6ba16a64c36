"""TensorFlow Serving's REST interface: JSON over HTTP in front of the same services that answer gRPC."""
