"""Sampled softmax of a mixture, with separate negatives for each component."""

from collections.abc import Callable

import tensorflow as tf

from trainer.losses.negatives import Negatives
from trainer.losses.read_out import INACTIVE_SCORE

LEAST_TEMPERATURE = 1 / 60
"""exp(60) times some thousand negatives, each counted a million times, still is a float32."""
_LEAST_SUM = 1e-37
"""Where all that was drawn is the target."""


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
    over all items each, and these may be estimated from different samples: there are K parts of the negatives, and the
    n interests in use take them in turn, the k-th of them the parts ``k, k + n, k + 2 n, ...``. What an interest has
    counts K times over the number of its parts. So S scores are computed for a target instead of K S. A user of one
    interest has all negatives, and the plain sampled softmax. A negative that is the target is left out.

    No maximum is subtracted before the exponential: vectors have to be of unit length, and tau at least
    ``LEAST_TEMPERATURE``.

    Args:
      interests: float [M, K, D].
      log_prior: float [M, K], ``log m_k``.
      interest_mask: bool [M, K], those in use.
      target_vectors: float [M, D].
      negative_vectors: float [S, D], S at least K; the last ``S mod K`` of them are not used.
      targets: int64 [M].
      negatives: what was drawn, distinct, in an order that says nothing of the items.
      temperature: tau.

    Returns:
      float32 [M], in nats.
    """
    shape = tf.shape(interests)
    places = shape[1]
    part = tf.size(negatives.indices) // places
    kept = negatives.indices[: part * places]
    columns = tf.reshape(tf.cast(negative_vectors[: part * places], tf.float32), [places, part, shape[2]])
    weights = tf.reshape(tf.exp(-negatives.log_expected[: part * places]), [places, part, 1])
    interests, log_prior = tf.cast(interests, tf.float32), tf.cast(log_prior, tf.float32)
    taken, parts = _in_turn(interest_mask)
    taken = tf.transpose(tf.range(shape[0])[:, tf.newaxis] * places + taken)
    rows = tf.gather(tf.reshape(interests, [-1, shape[2]]), taken)
    sums = _log_sums(rows, columns / temperature, weights, _hits(targets, kept, part))
    sums += tf.gather(tf.reshape(log_prior, [-1]), taken)
    scale = tf.math.log(tf.cast(places, tf.float32) / tf.cast(parts, tf.float32))
    among_negatives = tf.reduce_logsumexp(tf.transpose(sums) + scale, axis=1)
    positive = tf.einsum("mkd,md->mk", interests, tf.cast(target_vectors, tf.float32) / temperature) + log_prior
    positive = tf.reduce_logsumexp(positive + tf.where(interest_mask, 0.0, INACTIVE_SCORE), axis=1)
    return tf.nn.softplus(among_negatives - positive + negatives.log_expected_targets)


def _in_turn(interest_mask: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Which interest takes each part, and how many parts that one has: int32 [M, K] each."""
    in_use = tf.cast(interest_mask, tf.int32)
    places = tf.range(tf.shape(in_use)[1])
    count = tf.maximum(tf.reduce_sum(in_use, axis=1, keepdims=True), 1)
    first = tf.argsort(in_use, axis=1, direction="DESCENDING", stable=True)
    turn = places % count
    return tf.gather(first, turn, batch_dims=1), (tf.size(places) - 1 - turn) // count + 1


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
    total = tf.maximum(tf.matmul(exponentials, weights), _LEAST_SUM)

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, None, None]:
        share = upstream[..., tf.newaxis] / total
        # In this order the product over the M rows is the faster one.
        to_columns = tf.transpose(tf.matmul(rows * share, exponentials, transpose_a=True), [0, 2, 1])
        return tf.matmul(exponentials, columns * weights) * share, to_columns * weights, None, None

    return tf.math.log(tf.squeeze(total, axis=2)), gradient
