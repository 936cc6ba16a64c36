"""Contrastive loss between two views of the same examples."""

import tensorflow as tf


def contrastive_loss(before: tf.Tensor, after: tf.Tensor, groups: tf.Tensor, temperature: float = 1.0) -> tf.Tensor:
    """Mean cross-entropy of each pair among all: ``-log softmax_j(<before_i, after_j> / temperature)`` at j = i.

    Pairs of one group are the same pair twice and are not told apart from each other: the others of its group are
    left out of a pair's softmax.

    Reference: Tang et al., "Towards Multi-Interest Pre-training with Sparse Capsule Network" (MIRACLE), SIGIR 2023. The
    groups are ours: two masked items that activate the same capsule of the same user give the very same vectors twice.

    Args:
      before: float [M, D].
      after: float [M, D].
      groups: integer [M].
      temperature: positive.

    Returns:
      float32 scalar, nats; 0 for no pairs.

    Raises:
      ValueError: the temperature is not positive.
    """
    if temperature <= 0:
        raise ValueError(f"temperature should be positive. Received: {temperature}.")
    logits = tf.matmul(tf.cast(before, tf.float32), tf.cast(after, tf.float32), transpose_b=True) / temperature
    number = tf.shape(before)[0]
    same = tf.equal(groups[:, tf.newaxis], groups[tf.newaxis, :])
    repeated = tf.logical_and(same, tf.logical_not(tf.eye(number, dtype=tf.bool)))
    losses = tf.reduce_logsumexp(tf.where(repeated, float("-inf"), logits), axis=1) - tf.linalg.diag_part(logits)
    return tf.math.divide_no_nan(tf.reduce_sum(losses), tf.cast(number, tf.float32))
