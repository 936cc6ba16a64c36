"""Learning-rate schedule and stopping rule."""

import math

import tensorflow as tf

from trainer.keras_api import keras
from trainer.settings import TrainingSettings

_NEVER = 1 << 62


class PlateauRate(keras.optimizers.schedules.LearningRateSchedule):
    """A linear warm-up, then a constant rate, and from a step that is told later a linear fall to zero.

    Attributes:
      start: int64 variable, the first step of the fall.
      length: int64 variable, the number of its steps.

    Args:
      rate: the constant rate.
      warmup: steps of the warm-up.
    """

    def __init__(self, rate: float, warmup: int) -> None:
        super().__init__()
        self._rate, self._warmup = rate, max(warmup, 1)
        self.start, self.length = tf.Variable(_NEVER, dtype=tf.int64), tf.Variable(1, dtype=tf.int64)

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """The rate of a step, counted from 0."""
        step = tf.cast(step, tf.int64)
        done = tf.cast(tf.maximum(step - self.start, 0), tf.float32) / tf.cast(self.length, tf.float32)
        warmed = tf.minimum(tf.cast(step + 1, tf.float32) / self._warmup, 1.0)
        return self._rate * warmed * tf.maximum(1.0 - done, 0.0)

    @property
    def falling(self) -> bool:
        """Whether the fall has been decided on."""
        return int(self.start) < _NEVER

    @property
    def end(self) -> int:
        """The number of steps after which the rate is zero."""
        return int(self.start) + int(self.length)

    def fall(self, start: int, length: int) -> None:
        """Lets the rate fall to zero over ``length`` steps from step ``start`` on."""
        self.start.assign(start)
        self.length.assign(length)

    def get_config(self) -> dict[str, float]:
        """See Keras."""
        return {"rate": self._rate, "warmup": self._warmup}


def learning_rate(settings: TrainingSettings) -> keras.optimizers.schedules.LearningRateSchedule | float:
    """The schedule of the settings: a :class:`PlateauRate`; constant; or a cosine to zero after a linear warm-up."""
    if settings.schedule == "constant":
        return settings.learning_rate
    if settings.schedule == "plateau":
        return PlateauRate(settings.learning_rate, min(settings.warmup_steps, settings.max_steps - 1))
    warmup = min(settings.warmup_steps, settings.max_steps - 1)
    return keras.optimizers.schedules.CosineDecay(
        0.0 if warmup else settings.learning_rate,
        decay_steps=max(settings.max_steps - warmup, 1),
        warmup_target=settings.learning_rate if warmup else None,
        warmup_steps=warmup,
    )


def steady_steps(settings: TrainingSettings) -> int:
    """The most steps before the rate has to fall, so that it is zero after ``max_steps``."""
    if settings.schedule != "plateau":
        return settings.max_steps
    return max(1, math.floor(settings.max_steps / (1 + settings.cool_down)))
