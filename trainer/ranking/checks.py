"""Checks of a request, asserted in the graph."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf


class Check(NamedTuple):
    """A demand.

    Attributes:
      holds: scalar bool.
      otherwise: what to say if it does not, text and tensors; called only for the branch that says it.
    """

    holds: tf.Tensor
    otherwise: Callable[[], list[Any]]


def assert_all(checks: Sequence[Check]) -> tf.Tensor:
    """Fails with what the first check that does not hold says.

    Nearly every request is right: there is one branch for all checks, not one for each.

    Raises:
      tf.errors.InvalidArgumentError: when the graph runs.
    """

    def say() -> tf.Tensor:
        asserted: list[tf.Operation] = []
        for check in checks:
            with tf.control_dependencies(asserted):
                asserted = [tf.debugging.Assert(check.holds, check.otherwise())]
        with tf.control_dependencies(asserted):
            return tf.constant(False)

    return tf.cond(tf.reduce_all(tf.stack([check.holds for check in checks])), lambda: tf.constant(True), say)
