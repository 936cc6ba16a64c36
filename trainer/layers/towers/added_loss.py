"""Adds an auxiliary loss to a model."""

from typing import Any

import tensorflow as tf

from trainer.keras_api import keras, register


@register
class AddedLoss(keras.layers.Layer):
    """Adds a scalar to the losses of the training step, and returns it, as it is: nothing is cast.

    Keras counts what a layer adds while it is called; a model that computes its own loss is not called.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "autocast": False})

    def call(self, loss: tf.Tensor) -> tf.Tensor:
        """Counts ``loss``, a scalar, until the next call."""
        self.add_loss(loss)
        return loss
