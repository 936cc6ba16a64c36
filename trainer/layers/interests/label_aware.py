"""Label-aware attention over the interests (MIND)."""

from typing import Any

import tensorflow as tf

from trainer.keras_api import keras, register

# exp(16): float32 has 24 bits, so that between larger logits no difference below one can be told anyway.
_LARGEST_EXPONENT = 16.0
_SMALLEST_SCORE = 1e-6
_EXCLUDED = -1e30


@register
class LabelAwareAttention(keras.layers.Layer):
    """One vector a target, the interests weighted by how they answer to it (MIND).

    ``v = sum_k w_k V_k`` with ``w = softmax_k(pow(<V_k, e>, p))``. A larger p is harder: 0 is the mean of the interests
    in use, infinity the best interest alone.

    Reference: Li et al., "Multi-Interest Network with Dynamic Routing for Recommendation at Tmall", CIKM 2019, section
    4.4, eq. 10. Departs from it where the power is not defined or prefers the worst: ``pow(s, p)`` is here
    ``sign(s) |s|^p``; literally, a negative score has no broken power, and an even one turns it into a strong match.

    Args:
      power: p, not negative; infinity allowed.

    Raises:
      ValueError: power is negative or not a number.
    """

    def __init__(self, power: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not float(power) >= 0:
            raise ValueError(f"power should be non-negative. Received: {power}.")
        self.power = float(power)

    def call(self, interests: tf.Tensor, interest_mask: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """Reads the interests out.

        Args:
          interests: float [M, K, D].
          interest_mask: bool [M, K]; an interest not in use has weight 0 whatever the power.
          targets: float [M, D], vectors of the target items.

        Returns:
          float [M, D]; zero where no interest is in use.
        """
        return label_aware_read_out(interests, interest_mask, targets, self.power)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "power": self.power}


def label_aware_read_out(interests: tf.Tensor, interest_mask: tf.Tensor, targets: tf.Tensor, power: float) -> tf.Tensor:
    """The function behind :class:`LabelAwareAttention`; arguments and result as there. Weights are in float32."""
    scores = tf.cast(tf.einsum("mkd,md->mk", interests, targets), tf.float32)
    used = tf.cast(interest_mask, tf.float32)
    if power == float("inf"):
        best = tf.argmax(tf.where(interest_mask, scores, _EXCLUDED), axis=1)
        weights = tf.one_hot(best, tf.shape(scores)[1]) * used
    else:
        logits = tf.zeros_like(scores) if power == 0 else _signed_power(scores, interest_mask, power)
        weights = tf.nn.softmax(tf.where(interest_mask, logits, _EXCLUDED), axis=1) * used
    return tf.einsum("mk,mkd->md", tf.cast(weights, interests.dtype), interests)


def _signed_power(scores: tf.Tensor, interest_mask: tf.Tensor, power: float) -> tf.Tensor:
    """``sign(s) |s|^p``, divided in each row by what would bring its best value above exp(16)."""
    exponents = power * tf.math.log(tf.maximum(tf.abs(scores), _SMALLEST_SCORE))
    best = tf.argmax(tf.where(interest_mask, scores, _EXCLUDED), axis=1)
    best_exponent = tf.gather(exponents, best, batch_dims=1)[:, tf.newaxis]
    excess = tf.stop_gradient(tf.maximum(best_exponent - _LARGEST_EXPONENT, 0.0))
    return tf.sign(scores) * tf.exp(tf.minimum(exponents - excess, 4 * _LARGEST_EXPONENT))
