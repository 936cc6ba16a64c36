"""Errors with a status code, and what a client sees of an unexpected one."""

import logging
import re
import uuid
from typing import Any

import grpc

from serving.logs import event

log = logging.getLogger("serving.status")

_LONGEST_TEXT = 1024
"""Status texts travel in a header of at most 8 KB, percent-encoded; a longer one would hide the error itself."""

_REQUEST_ID, _ID, _LONGEST_NAME = "x-request-id", re.compile(r"[A-Za-z0-9_.-]{1,64}"), 64
_BY_NUMBER = {code.value[0]: code for code in grpc.StatusCode}
_PREAMBLE = re.compile(r"Graph execution error:|\d+ root error\(s\) found")
_ROOT_ERROR = re.compile(r"^\(0\) [A-Z_]+: ")


class ServingError(Exception):
    """An error that the client is told.

    Attributes:
      code: grpc.StatusCode.
      text: what is wrong, in words; cut to what a header carries.
    """

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        self.code = code
        self.text = text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 3] + "..."
        super().__init__(self.text)

    @property
    def number(self) -> int:
        """The code as in tensorflow/core/protobuf/error_codes.proto, which are gRPC's numbers."""
        number: int = self.code.value[0]
        return number


def invalid_argument(text: str) -> ServingError:
    """A request that does not fit the model."""
    return ServingError(grpc.StatusCode.INVALID_ARGUMENT, text)


def not_found(text: str) -> ServingError:
    """A model or a version that is not served."""
    return ServingError(grpc.StatusCode.NOT_FOUND, text)


def from_tensorflow(code: int, message: str) -> ServingError:
    """An error of TensorFlow's runtime under its own code.

    Args:
      code: ``error_code`` of a ``tf.errors.OpError``.
      message: its message. Of it the line that says what is wrong is passed on, and not the Python stack that may
        stand before it nor the names of nodes behind it.
    """
    _, stack, behind = message.rpartition("\nNode: ")
    text = behind.partition("\n")[2] if stack else ""
    lines = [line.strip() for line in (text or message).splitlines()]
    lines = [_ROOT_ERROR.sub("", line) for line in lines if line and not _PREAMBLE.match(line)]
    return ServingError(_BY_NUMBER.get(code, grpc.StatusCode.UNKNOWN), lines[0] if lines else "TensorFlow error")


def as_told(error: Exception, method: str, model: str, context: Any) -> ServingError:
    """What the client is told of an error: an unexpected one is INTERNAL, without its inside.

    What ends as INTERNAL is logged under the request's id: ``x-request-id`` of the caller, or one that is made up. The
    caller finds it in the trailing metadata.

    Args:
      error: that ended a call; to be called while it is handled.
      method: that was called.
      model: that was asked for.
      context: of the call.
    """
    failure = error if isinstance(error, ServingError) else None
    if failure is not None and failure.code is not grpc.StatusCode.INTERNAL:
        return failure
    sent = dict(context.invocation_metadata()).get(_REQUEST_ID, "")
    request_id = sent if _ID.fullmatch(sent) else uuid.uuid4().hex
    context.set_trailing_metadata(((_REQUEST_ID, request_id),))
    extra = event("request_failed", request_id=request_id, method=method, model=model[:_LONGEST_NAME])
    if failure is not None:
        log.error("request %s: %s failed: %s", request_id, method, failure.text, extra=extra)
        return failure
    log.exception("request %s: unexpected error in %s", request_id, method, extra=extra)
    return ServingError(grpc.StatusCode.INTERNAL, f"Internal error in {method}; the server's log has the cause.")
