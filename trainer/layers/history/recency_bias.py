"""Learned bias for recent items."""

from typing import Any

import tensorflow as tf

from trainer.keras_api import keras, register

AGE_BUCKETS = 24


@register
class RecencyBias(keras.layers.Layer):
    """Adds to an attention logit a learned number for how far back the item lies.

    ``bias[b, q, h, t] = r[h, q - t] + a[h, bucket(age)]`` where ``q - t`` counts items between query and item and,
    with ``time_decay``, ``age`` is the time between them in seconds, in buckets of powers of two. Both tables start
    at zero, so an untrained layer changes nothing.

    Not in any of the implemented papers: a position counted from the newest item is what the session-based
    literature calls a reversed position embedding (Wang et al., "Global Context Enhanced Graph Neural Networks for
    Session-based Recommendation", SIGIR 2020, eq. 12), here reduced to one number a head, so that all prefixes
    share one set of item vectors.

    Args:
      heads: H, number of attention heads (interests).
      max_history: T, the largest history.
      time_decay: also weigh by elapsed time.

    Raises:
      ValueError: heads or max_history is not positive.
    """

    def __init__(self, heads: int, max_history: int, time_decay: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if heads < 1 or max_history < 1:
            raise ValueError(f"heads and max_history should be positive. Received: {heads}, {max_history}.")
        self.heads, self.max_history, self.time_decay = heads, max_history, time_decay

    def build(self, input_shape: Any) -> None:
        self.distance = self.add_weight("distance", shape=(self.max_history, self.heads), initializer="zeros")
        if self.time_decay:
            self.age = self.add_weight("age", shape=(AGE_BUCKETS, self.heads), initializer="zeros")
        super().build(input_shape)

    def call(self, queries: tf.Tensor, history_gap: tf.Tensor) -> tf.Tensor:
        """The bias of every (query, item) pair.

        Args:
          queries: int32 [B or 1, Q], positions.
          history_gap: float32 [B, T], log(1 + seconds since the item before).

        Returns:
          float [B or 1, Q, H, T]; values at items younger than the query are to be masked by the caller.
        """
        positions = tf.range(tf.shape(history_gap)[1])
        back = queries[:, :, tf.newaxis] - positions[tf.newaxis, tf.newaxis, :]
        bias = tf.gather(self.distance, tf.clip_by_value(back, 0, self.max_history - 1))
        if self.time_decay:
            bias += tf.gather(self.age, self._age_bucket(queries, history_gap))
        return tf.transpose(bias, [0, 1, 3, 2])

    def _age_bucket(self, queries: tf.Tensor, history_gap: tf.Tensor) -> tf.Tensor:
        clock = tf.cumsum(tf.math.expm1(tf.cast(history_gap, tf.float32)), axis=1)
        rows = tf.broadcast_to(tf.maximum(queries, 0), [tf.shape(clock)[0], tf.shape(queries)[1]])
        now = tf.gather(clock, rows, batch_dims=1)
        age = tf.maximum(now[:, :, tf.newaxis] - clock[:, tf.newaxis, :], 0.0)
        bucket = tf.cast(tf.math.log1p(age) / tf.math.log(2.0), tf.int32)
        return tf.minimum(bucket, AGE_BUCKETS - 1)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "heads": self.heads,
            "max_history": self.max_history,
            "time_decay": self.time_decay,
        }
