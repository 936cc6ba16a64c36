"""TLS for the client."""

from __future__ import annotations

from pathlib import Path

import grpc


def channel_credentials(ca: str | None, certificate: str | None, key: str | None) -> grpc.ChannelCredentials:
    """The credentials of a client.

    Args:
      ca: file of the authorities that the server's certificate is checked against; None: those gRPC comes with.
      certificate: file of the client's own certificate, where the server asks for one.
      key: file of its key.

    Raises:
      ValueError: a file cannot be read, or only one of certificate and key is given.
    """
    if (certificate is None) != (key is None):
        raise ValueError("a client's certificate needs its key, and a key its certificate")
    try:
        return grpc.ssl_channel_credentials(
            *(None if path is None else Path(path).read_bytes() for path in (ca, key, certificate))
        )
    except OSError as error:
        raise ValueError(f"{error.filename} cannot be read: {error.strerror}") from error
