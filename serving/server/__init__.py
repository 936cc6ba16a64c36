"""Server: embed it as :class:`Server`, or run ``python -m serving.server``."""

from serving.server.server import Server

__all__ = ["Server"]
