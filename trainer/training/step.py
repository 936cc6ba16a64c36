"""Training step: loss, gradients, update."""

import tensorflow as tf

from trainer.data.sequences import Batch
from trainer.keras_api import keras
from trainer.models.retrieval.base import RetrievalModel


def training_step(model: RetrievalModel, batch: Batch) -> tf.Tensor:
    """Updates the weights of a compiled model once.

    What TensorFlow Recommenders' ``train_step`` does, and the scaling of the loss that float16 needs: gradients of a
    mean over thousands of targets are below its smallest number. A step whose scaled gradients are not finite changes
    nothing but the scale.

    Args:
      model: compiled, with or without a ``LossScaleOptimizer``.
      batch: see :meth:`RetrievalModel.compute_loss`.

    Returns:
      float32 scalar, the loss with all that layers add to it.
    """
    optimizer = model.optimizer
    scaling = isinstance(optimizer, keras.mixed_precision.LossScaleOptimizer)
    with tf.GradientTape() as tape:
        loss = total_loss(model, batch)
        scaled = optimizer.get_scaled_loss(loss) if scaling else loss
    gradients = tape.gradient(scaled, model.trainable_variables)
    if scaling:
        gradients = optimizer.get_unscaled_gradients(gradients)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
    return loss


def total_loss(model: RetrievalModel, batch: Batch) -> tf.Tensor:
    """The loss of training with what layers and regularisers add to it: float32 scalar."""
    loss = tf.cast(model.compute_loss(batch, training=True), tf.float32)
    return loss + sum(tf.reduce_sum(tf.cast(added, tf.float32)) for added in model.losses)
