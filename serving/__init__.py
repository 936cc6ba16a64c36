"""The served bundle, its index, the gRPC server and its client."""
