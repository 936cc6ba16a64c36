"""Lazy Adam: updates only the embedding rows of a batch."""

from typing import Any

import tensorflow as tf

from trainer.keras_api import keras, register


@register
class LazyAdam(keras.optimizers.Adam):
    """Adam whose moments decay only in the rows that have a gradient.

    Stock Adam decays both moments of every row of an embedding table at every step, which at a million items is
    nearly all of a step's cost. Here a row's moments and value change only when the batch holds it; dense
    variables are updated as by stock Adam. The step count of the bias correction is the global one.

    Reference: Kingma and Ba, "Adam", ICLR 2015, algorithm 1; the lazy variant is the one of TensorFlow Addons'
    LazyAdam.
    """

    def update_step(self, gradient: Any, variable: Any) -> None:
        """One update of one variable.

        Args:
          gradient: a tensor, or IndexedSlices with unique indices (the base class merges repeated ones).
          variable: a variable this optimizer was built with.
        """
        if not isinstance(gradient, tf.IndexedSlices):
            super().update_step(gradient, variable)
            return
        step = tf.cast(self.iterations + 1, variable.dtype)
        beta_1, beta_2 = tf.cast(self.beta_1, variable.dtype), tf.cast(self.beta_2, variable.dtype)
        correction = tf.sqrt(1 - tf.pow(beta_2, step)) / (1 - tf.pow(beta_1, step))
        rate = tf.cast(self.learning_rate, variable.dtype) * correction
        key = self._index_dict[self._var_key(variable)]
        momentum, velocity = self._momentums[key], self._velocities[key]
        rows, values = gradient.indices, gradient.values
        new_momentum = beta_1 * tf.gather(momentum, rows) + (1 - beta_1) * values
        new_velocity = beta_2 * tf.gather(velocity, rows) + (1 - beta_2) * tf.square(values)
        momentum.scatter_update(tf.IndexedSlices(new_momentum, rows))
        velocity.scatter_update(tf.IndexedSlices(new_velocity, rows))
        variable.scatter_sub(tf.IndexedSlices(rate * new_momentum / (tf.sqrt(new_velocity) + self.epsilon), rows))
