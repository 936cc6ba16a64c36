"""Default values for the filter inputs of a signature."""

from collections.abc import Callable, Mapping

import tensorflow as tf

FILTERS = ("allow", "deny")


def with_filter_by_default(
    recommend: Callable[..., dict[str, tf.Tensor]], inputs: Mapping[str, tf.TensorSpec]
) -> Callable[..., dict[str, tf.Tensor]]:
    """``recommend`` as a function to save, with nothing to filter by where a request names nothing.

    TensorFlow writes the defaults of arguments that are tensors into the signature, if they are the last ones.

    Args:
      recommend: takes the inputs, ``allow`` and ``deny`` by name; traced twice.
      inputs: all others -> their types.
    """
    anything = tf.constant([[""]])

    def filtered(
        inputs: Mapping[str, tf.Tensor], allow: tf.Tensor = anything, deny: tf.Tensor = anything
    ) -> dict[str, tf.Tensor]:
        return recommend(**inputs, allow=allow, deny=deny)

    filters = [tf.TensorSpec([None, None], tf.string, name=name) for name in FILTERS]
    function: Callable[..., dict[str, tf.Tensor]] = tf.function(
        filtered, input_signature=[dict(inputs), *filters], autograph=False
    )
    return function
