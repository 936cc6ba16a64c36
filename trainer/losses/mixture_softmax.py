"""Sampled softmax over a mixture of interests, by inner products."""

from collections.abc import Callable

import tensorflow as tf

from trainer.losses.negatives import Negatives
from trainer.losses.read_out import INACTIVE_SCORE


def mixture_softmax(
    interests: tf.Tensor,
    interest_mask: tf.Tensor,
    target_vectors: tf.Tensor,
    negative_vectors: tf.Tensor,
    targets: tf.Tensor,
    negatives: Negatives,
    temperature: float = 1.0,
) -> tf.Tensor:
    """Cross-entropy of each target among itself and the negatives, where all interests score a candidate together.

    The score of item i is ``log sum_k exp(<V_k, e_i> / tau)``, a smooth maximum: the probability of an item is that of
    a mixture whose components are the interests, and each learns from every target by its share in it, the weaker ones
    too. With K = 1 it is the inner product over tau, and the loss is that of
    :func:`~trainer.losses.sampled_softmax.sampled_softmax` to rounding.

    A negative that is the target has the target's own score and expected count, so where there is one the sum over the
    negatives already is the normaliser; elsewhere the target is added to it. That leaves two matrix products and one
    exponential for each score, and a gradient of two more products.

    Not in any of the implemented papers; the mixture of Yang et al., "Breaking the Softmax Bottleneck", ICLR 2018,
    normalises each component by itself.

    Args:
      interests: float [M, K, D].
      interest_mask: bool [M, K].
      target_vectors: float [M, D].
      negative_vectors: float [S, D].
      targets: int64 [M].
      negatives: what was drawn, distinct or each target at its own place; an item has the same vector and expected
        count as target and as negative.
      temperature: tau.

    Returns:
      float32 [M], in nats.
    """
    shape = tf.shape(interests)
    scaled = tf.cast(interests, tf.float32) / temperature
    inactive = tf.where(interest_mask, 0.0, INACTIVE_SCORE)
    rows = tf.reshape(scaled, [-1, shape[2]])
    by_interest = tf.reshape(_log_sum(rows, tf.cast(negative_vectors, tf.float32), -negatives.log_expected), shape[:2])
    among_negatives = tf.reduce_logsumexp(by_interest + inactive, axis=1)
    positive = tf.einsum("mkd,md->mk", scaled, tf.cast(target_vectors, tf.float32)) + inactive
    positive = tf.reduce_logsumexp(positive, axis=1) - negatives.log_expected_targets
    with_target = tf.reduce_logsumexp(tf.stack([among_negatives, positive], axis=1), axis=1)
    return tf.where(_drawn(targets, negatives.indices), among_negatives, with_target) - positive


def _drawn(targets: tf.Tensor, indices: tf.Tensor) -> tf.Tensor:
    """Whether each target is among the negatives: bool [M]."""
    ordered = tf.sort(tf.cast(indices, tf.int64))
    targets = tf.cast(targets, tf.int64)
    place = tf.minimum(tf.searchsorted(ordered, targets), tf.size(ordered) - 1)
    return tf.equal(tf.gather(ordered, place), targets)


@tf.custom_gradient
def _log_sum(
    rows: tf.Tensor, columns: tf.Tensor, offsets: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor | None, None]]]:
    """``log sum_s exp(<r, c_s> + o_s)`` of each row: [R, D], [S, D], [S] to [R]; offsets are constants.

    The gradient by hand: automatic differentiation would keep and read several tensors of the size of the scores.
    """
    scores = tf.matmul(rows, columns, transpose_b=True) + offsets
    highest = tf.reduce_max(scores, axis=1, keepdims=True)
    exponentials = tf.exp(scores - highest)
    total = tf.reduce_sum(exponentials, axis=1, keepdims=True)

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, None]:
        share = upstream[:, tf.newaxis] / total
        return (
            tf.matmul(exponentials, columns) * share,
            tf.matmul(exponentials, rows * share, transpose_a=True),
            None,
        )

    return tf.squeeze(highest + tf.math.log(total), axis=1), gradient
