"""What listens: gRPC, REST, metrics, TLS."""
