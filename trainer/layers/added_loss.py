"""A loss beside the loss."""

import tensorflow as tf

from trainer.keras_api import keras, register


@register
class AddedLoss(keras.layers.Layer):
    """Adds a scalar to the losses of the training step, and returns it.

    Keras counts what a layer adds while it is called; a model that computes its own loss is not called.
    """

    def call(self, loss: tf.Tensor) -> tf.Tensor:
        """Counts ``loss``, a scalar, until the next call."""
        self.add_loss(loss)
        return loss
