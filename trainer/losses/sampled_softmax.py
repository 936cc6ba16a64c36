"""Softmax over the target and shared negatives, with the correction for how they were drawn."""

from typing import NamedTuple

import tensorflow as tf

HIT_LOGIT = -1e9


class Negatives(NamedTuple):
    """Negatives shared by a batch, with what their drawing costs.

    Attributes:
      indices: int64 [S], items.
      log_expected: float32 [S], log of the expected number of times each is drawn.
      log_expected_targets: float32 [M], the same for the targets.
    """

    indices: tf.Tensor
    log_expected: tf.Tensor
    log_expected_targets: tf.Tensor


def log_uniform_negatives(targets: tf.Tensor, num_items: int, num_negatives: int, seed: int) -> Negatives:
    """Draws distinct items from ``P(i) = log((i + 2) / (i + 1)) / log(N + 1)``.

    The distribution is close to popularity when items are numbered by descending frequency, as Transform numbers
    them. Where ``num_negatives`` reaches the catalogue's size every item is a negative and nothing needs correcting.

    Reference: the candidate sampling of ComiRec's and SINE's released code; Bengio and Senecal, "Adaptive Importance
    Sampling to Accelerate Training of a Neural Probabilistic Language Model", 2008, for the correction.

    Args:
      targets: int64 [M].
      num_items: N.
      num_negatives: S, wanted number of negatives.
      seed: seed of the drawing.

    Raises:
      ValueError: N or S is not positive.
    """
    if num_items < 1 or num_negatives < 1:
        raise ValueError(f"num_items and num_negatives should be positive. Received: {num_items}, {num_negatives}.")
    if num_negatives >= num_items:
        everything = tf.range(num_items, dtype=tf.int64)
        return Negatives(everything, tf.zeros(num_items), tf.zeros(tf.shape(targets)[0]))
    indices, expected_targets, expected = tf.random.log_uniform_candidate_sampler(
        tf.expand_dims(targets, 1), 1, num_negatives, unique=True, range_max=num_items, seed=seed
    )
    return Negatives(indices, tf.math.log(expected), tf.math.log(tf.squeeze(expected_targets, 1)))


def sampled_softmax(
    target_scores: tf.Tensor, negative_scores: tf.Tensor, targets: tf.Tensor, negatives: Negatives
) -> tf.Tensor:
    """Cross-entropy of each target among itself and the negatives.

    ``-log softmax(s_i - log E(i))`` at the target, as ``tf.nn.sampled_softmax_loss`` computes it: expected counts
    are subtracted for the target too, and a negative that is the target is left out. Scores come in ready-made, so
    any read-out can be used. Computed in float32.

    Args:
      target_scores: [M].
      negative_scores: [M, S].
      targets: int64 [M].
      negatives: what was drawn.

    Returns:
      float32 [M], in nats.
    """
    positive = tf.cast(target_scores, tf.float32) - negatives.log_expected_targets
    logits = tf.cast(negative_scores, tf.float32) - negatives.log_expected
    hits = tf.equal(tf.expand_dims(targets, 1), negatives.indices)
    logits = tf.where(hits, HIT_LOGIT, logits)
    everything = tf.concat([tf.expand_dims(positive, 1), logits], axis=1)
    return tf.reduce_logsumexp(everything, axis=1) - positive
