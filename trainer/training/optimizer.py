"""Builds the optimizer from the settings."""

from trainer.keras_api import keras
from trainer.settings import TrainingSettings
from trainer.training.lazy_adam import LazyAdam

PUBLISHED_EPSILON = 1e-8
"""Of Adam in TensorFlow 1 and PyTorch, where the models' authors released their code; Keras has 1e-7."""


def optimizer(
    settings: TrainingSettings, rate: keras.optimizers.schedules.LearningRateSchedule | float
) -> keras.optimizers.Optimizer:
    """Adam, lazy or dense.

    Dense, the moments of all rows of an embedding decay at every step, and rows move that no batch held: Kingma and Ba,
    "Adam", ICLR 2015, section 2, as TensorFlow 1's AdamOptimizer has it.

    Args:
      settings: which one, the clipping and the precision.
      rate: the learning rate.
    """
    if settings.optimizer == "adam":
        adam = keras.optimizers.Adam(rate, epsilon=PUBLISHED_EPSILON, global_clipnorm=settings.clip_norm)
    else:
        adam = LazyAdam(rate, global_clipnorm=settings.clip_norm)
    # bfloat16 has float32's exponents: no gradient is too small for it.
    return keras.mixed_precision.LossScaleOptimizer(adam) if settings.mixed_precision == "float16" else adam
