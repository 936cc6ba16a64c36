"""Encrypted connections of the server, and clients that have to show a certificate."""

import logging
from pathlib import Path

import grpc

from serving.server_settings import ServerSettings
from trainer.errors import InputError

log = logging.getLogger(__name__)


def server_credentials(settings: ServerSettings) -> grpc.ServerCredentials | None:
    """The credentials that the settings name; None without a certificate.

    The files are read again when they change, so that a renewed certificate needs no restart. One that cannot be read
    then leaves the one before in use, with a line in the log.

    Args:
      settings: ``tls_certificate``, ``tls_key`` and, for mutual TLS, ``tls_client_ca``.

    Raises:
      InputError: a file cannot be read. Whether certificate and key belong together gRPC says when the port is bound.
    """
    files = [Path(path) for path in (settings.tls_certificate, settings.tls_key, settings.tls_client_ca) if path]
    if not files:
        return None
    mutual = settings.tls_client_ca is not None
    first = _configuration(files)
    seen = [_state(files)]

    def renewed() -> grpc.ServerCertificateConfiguration | None:
        """Called by gRPC before each handshake; None: nothing has changed."""
        try:
            if (state := _state(files)) == seen[0]:
                return None
            configuration = _configuration(files)
        except (InputError, OSError) as error:
            log.warning("the certificate stays as it was: %s", error)
            return None
        seen[0] = state
        log.info("the certificate was renewed from %s", files[0])
        return configuration

    return grpc.dynamic_ssl_server_credentials(first, renewed, require_client_authentication=mutual)


def _configuration(files: list[Path]) -> grpc.ServerCertificateConfiguration:
    try:
        certificate, key, *ca = [path.read_bytes() for path in files]
    except OSError as error:
        raise InputError(f"{error.filename} cannot be read: {error.strerror}.") from error
    return grpc.ssl_server_certificate_configuration([(key, certificate)], root_certificates=ca[0] if ca else None)


def _state(files: list[Path]) -> list[tuple[int, int]]:
    return [(status.st_mtime_ns, status.st_size) for status in (path.stat() for path in files)]
