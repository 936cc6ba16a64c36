"""Server logs, as text lines or JSON."""

import logging
import sys
from typing import Any, Literal

from pythonjsonlogger.json import JsonFormatter

LogFormat = Literal["text", "json"]


def set_up(level: str, form: LogFormat) -> None:
    """Sends what is logged to standard error, one line an event.

    Args:
      level: least level, such as ``INFO``.
      form: ``text``, or ``json``: time, level, logger and message, and what :func:`event` adds.
    """
    handler = logging.StreamHandler(sys.stderr)
    if form == "json":
        handler.setFormatter(
            JsonFormatter(
                "{asctime}{levelname}{name}{message}",
                style="{",
                datefmt="%Y-%m-%dT%H:%M:%S%z",
                rename_fields={"asctime": "time", "levelname": "level", "name": "logger", "exc_info": "exception"},
                json_ensure_ascii=False,
            )
        )
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler])


def event(name: str, **fields: Any) -> dict[str, Any]:
    """The ``extra`` of a log call: what happened, and to which model and version.

    Args:
      name: of the event, such as ``version_available``.
      **fields: ``model``, ``version`` and the like; never an input of a request, which may be a user's history.
    """
    return {"event": name, **fields}
