"""Services of TensorFlow Serving's protocol, independent of the transport."""
