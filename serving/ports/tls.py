"""TLS for the server, with optional client certificates.

The files are read again when they change, so that a renewed certificate needs no restart. One that cannot be read
then leaves the one before in use, with a line in the log.
"""

import logging
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

import grpc

from serving.server_settings import ServerSettings
from trainer.errors import InputError

log = logging.getLogger("serving.tls")

_T = TypeVar("_T")


def server_credentials(settings: ServerSettings) -> grpc.ServerCredentials | None:
    """The credentials of the gRPC port that the settings name; None without a certificate.

    Args:
      settings: ``tls_certificate``, ``tls_key`` and, for mutual TLS, ``tls_client_ca``.

    Raises:
      InputError: a file cannot be read. Whether certificate and key belong together gRPC says when the port is bound.
    """
    files = _files(settings)
    if not files:
        return None
    watched = _Watched(files, _configuration)
    mutual = settings.tls_client_ca is not None
    # gRPC asks before each handshake.
    return grpc.dynamic_ssl_server_credentials(watched.latest, watched.renewed, require_client_authentication=mutual)


def ssl_context(settings: ServerSettings) -> ssl.SSLContext | None:
    """The same for a port of Python's own sockets.

    Args:
      settings: as of :func:`server_credentials`.

    Raises:
      InputError: a file cannot be read, or certificate and key do not belong together.
    """
    files = _files(settings)
    if not files:
        return None
    watched = _Watched(files, _context)

    def before_a_handshake(connection: ssl.SSLObject, *_: Any) -> None:
        watched.renewed()
        connection.context = watched.latest

    first = watched.latest
    first.sni_callback = before_a_handshake
    return first


class _Watched(Generic[_T]):
    """What is made of files, and made anew when they change."""

    def __init__(self, files: list[Path], read: Callable[[list[Path]], _T]) -> None:
        self.latest, self._files, self._read = read(files), files, read
        self._seen = _state(files)

    def renewed(self) -> _T | None:
        """None: nothing has changed."""
        try:
            if (state := _state(self._files)) == self._seen:
                return None
            self.latest = self._read(self._files)
        except (InputError, OSError) as error:
            log.warning("the certificate stays as it was: %s", error)
            return None
        self._seen = state
        log.info("the certificate was renewed from %s", self._files[0])
        return self.latest


def _files(settings: ServerSettings) -> list[Path]:
    return [Path(path) for path in (settings.tls_certificate, settings.tls_key, settings.tls_client_ca) if path]


def _configuration(files: list[Path]) -> grpc.ServerCertificateConfiguration:
    certificate, key, *ca = _contents(files)
    return grpc.ssl_server_certificate_configuration([(key, certificate)], root_certificates=ca[0] if ca else None)


def _context(files: list[Path]) -> ssl.SSLContext:
    _contents(files)  # of one that cannot be read, ssl does not tell which
    certificate, key, *ca = files
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
        if ca:
            context.load_verify_locations(ca[0])
            context.verify_mode = ssl.CERT_REQUIRED
    except (ssl.SSLError, OSError) as error:
        raise InputError(f"{certificate} and {key} are no certificate and its key: {error}.") from error
    return context


def _contents(files: list[Path]) -> list[bytes]:
    try:
        return [path.read_bytes() for path in files]
    except OSError as error:
        raise InputError(f"{error.filename} cannot be read: {error.strerror}.") from error


def _state(files: list[Path]) -> list[tuple[int, int]]:
    return [(status.st_mtime_ns, status.st_size) for status in (path.stat() for path in files)]
