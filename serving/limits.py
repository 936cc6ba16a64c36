"""Limits of a request, checked before any work is done for it."""

from collections.abc import Sequence
from typing import NamedTuple

from serving.errors import invalid_argument


class Limits(NamedTuple):
    """The largest inputs of a request; see :class:`serving.server_settings.ServerSettings`.

    Attributes:
      tensor_bytes: largest array that one input may become.
      batch: rows of an input, users as a rule.
      list_length: values of a row: of a history, of what is excluded.
    """

    tensor_bytes: int = 64 << 20
    batch: int = 1024
    list_length: int = 10_000

    def check_shape(self, alias: str, shape: Sequence[int]) -> None:
        """Refuses an input of a shape that is too long.

        Args:
          alias: the input's name.
          shape: rows first.

        Raises:
          ServingError: INVALID_ARGUMENT, with the limit and the name of its setting.
        """
        if shape and shape[0] > self.batch:
            raise invalid_argument(
                f"input {alias} has {shape[0]} rows; this server takes {self.batch} in a request (max_batch): "
                "send the others in requests of their own"
            )
        longest = max(shape[1:], default=0)
        if longest > self.list_length:
            raise invalid_argument(
                f"input {alias} has {longest} values in a row; this server takes {self.list_length} "
                "(max_list_length): send the latest ones"
            )
