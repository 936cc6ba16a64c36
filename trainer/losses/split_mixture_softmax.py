"""Sampled softmax of a mixture whose components are told apart from negatives of their own."""

from collections.abc import Callable

import tensorflow as tf

from trainer.losses.negatives import Negatives
from trainer.losses.read_out import INACTIVE_SCORE

LEAST_TEMPERATURE = 1 / 60
"""exp(60) times some thousand negatives, each counted a million times, still is a float32."""


def split_mixture_softmax(
    interests: tf.Tensor,
    log_prior: tf.Tensor,
    interest_mask: tf.Tensor,
    target_vectors: tf.Tensor,
    negative_vectors: tf.Tensor,
    targets: tf.Tensor,
    negatives: Negatives,
    temperature: float = 1.0,
) -> tf.Tensor:
    """The loss of :func:`~trainer.losses.mixture_softmax.mixture_softmax` at the cost of a single vector.

    The score of item i is ``log sum_k m_k exp(<V_k, e_i> / tau)``. Its normaliser is a sum over the interests of a sum
    over all items each, and these may be estimated from different samples: place k is scored against the k-th part
    of the negatives alone, which counts K times. So S scores are computed for a target instead of K S. An interest that
    stands at several places has as many parts; a user of one interest has all of them, and the plain sampled
    softmax. A negative that is the target is left out.

    No maximum is subtracted before the exponential: vectors have to be of unit length, and tau at least
    ``LEAST_TEMPERATURE``.

    Args:
      interests: float [M, K, D]; with n in use, those stand in front and place k holds the interest ``k mod n``.
      log_prior: float [M, K], ``log m_k``.
      interest_mask: bool [M, K], the n in use.
      target_vectors: float [M, D].
      negative_vectors: float [S, D], S at least K; the last ``S mod K`` of them are not used.
      targets: int64 [M].
      negatives: what was drawn, distinct, in an order that says nothing of the items.
      temperature: tau.

    Returns:
      float32 [M], in nats.
    """
    places = int(interests.shape[1])
    part = tf.size(negatives.indices) // places
    kept = negatives.indices[: part * places]
    columns = tf.reshape(tf.cast(negative_vectors[: part * places], tf.float32), [places, part, interests.shape[2]])
    weights = tf.reshape(tf.exp(-negatives.log_expected[: part * places]), [places, part, 1])
    interests, log_prior = tf.cast(interests, tf.float32), tf.cast(log_prior, tf.float32)
    rows = tf.transpose(interests, [1, 0, 2])
    sums = _log_sums(rows, columns / temperature, weights, _hits(targets, kept, part))
    count = tf.maximum(tf.reduce_sum(tf.cast(interest_mask, tf.int32), axis=1, keepdims=True), 1)
    # Of the places 0 .. K - 1 those of an interest are the ones with the same remainder.
    copies = (places - 1 - tf.range(places) % count) // count + 1
    scale = tf.math.log(tf.cast(places, tf.float32) / tf.cast(copies, tf.float32))
    among_negatives = tf.reduce_logsumexp(tf.transpose(sums) + log_prior + scale, axis=1)
    positive = tf.einsum("mkd,md->mk", interests, tf.cast(target_vectors, tf.float32) / temperature) + log_prior
    positive = tf.reduce_logsumexp(positive + tf.where(interest_mask, 0.0, INACTIVE_SCORE), axis=1)
    return tf.nn.softplus(among_negatives - positive + negatives.log_expected_targets)


def _hits(targets: tf.Tensor, indices: tf.Tensor, part: tf.Tensor) -> tf.Tensor:
    """Where negatives are the target: int32 [H, 3], place, row and column."""
    order = tf.argsort(indices)
    place = tf.searchsorted(tf.gather(indices, order), tf.cast(targets, indices.dtype))
    where = tf.gather(order, tf.minimum(place, tf.size(order) - 1))
    row = tf.cast(tf.where(tf.equal(tf.gather(indices, where), tf.cast(targets, indices.dtype)))[:, 0], tf.int32)
    where = tf.gather(where, row)
    return tf.stack([where // part, row, where % part], axis=1)


@tf.custom_gradient
def _log_sums(
    rows: tf.Tensor, columns: tf.Tensor, weights: tf.Tensor, hits: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor, None, None]]]:
    """``log sum_s w_s exp(<r, c_s>)`` but for the hits: [K, M, D], [K, S, D], [K, S, 1], [H, 3] to [K, M].

    Weights are constants. The gradient by hand: automatic differentiation would keep several tensors of the size of
    the scores. A score is touched as rarely as can be, which is why the weights stand outside of the exponential.
    """
    exponentials = tf.exp(tf.matmul(rows, columns, transpose_b=True))
    exponentials = tf.tensor_scatter_nd_update(exponentials, hits, tf.zeros([tf.shape(hits)[0]]))
    total = tf.matmul(exponentials, weights)

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, None, None]:
        share = upstream[..., tf.newaxis] / total
        # In this order the product over the M rows is the faster one.
        to_columns = tf.transpose(tf.matmul(rows * share, exponentials, transpose_a=True), [0, 2, 1])
        return tf.matmul(exponentials, columns * weights) * share, to_columns * weights, None, None

    return tf.math.log(tf.squeeze(total, axis=2)), gradient
