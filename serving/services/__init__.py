"""The services of TensorFlow Serving's protocol, whatever the requests come by."""
