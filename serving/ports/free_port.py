"""Checks that a port is free, because gRPC's own error is pages of C++."""

import errno
import socket
from typing import Any

from trainer.errors import InputError


def check_free(host: str, port: int) -> None:
    """Makes sure that an address is one of this machine and not in use.

    Args:
      host: name or address.
      port: 0: any free one.

    Raises:
      InputError: it is not.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise InputError(f"Cannot listen on {host}:{port}: {error.strerror or error}.") from error
    problems = [problem for family, _, _, _, address in found if (problem := _problem(family, address)) is not None]
    # A name may stand for an address of a kind that this machine lacks, but a port that one server has is not free.
    taken = [problem for problem in problems if problem.errno == errno.EADDRINUSE]
    if taken or len(problems) == len(found):
        problem = (taken or problems)[0]
        hint = " Give another port, or stop what listens there." if taken else ""
        raise InputError(f"Cannot listen on {host}:{port}: {problem.strerror or problem}.{hint}") from problem


def _problem(family: int, address: tuple[Any, ...]) -> OSError | None:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as tried:
            # As gRPC does: the last connections of a server that just ended are no obstacle.
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                tried.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            tried.bind(address)
            # With that option two may bind, but not listen.
            tried.listen(1)
    except OSError as error:
        return error
    return None
