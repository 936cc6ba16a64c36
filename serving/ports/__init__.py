"""Listening ports: gRPC, REST, metrics, TLS."""
