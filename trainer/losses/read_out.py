"""Read-outs: how K interests score a candidate in training."""

import tensorflow as tf

INACTIVE_SCORE = -1e9


def hard_read_out(interests: tf.Tensor, interest_mask: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """The interest that answers best to the target: ``V[argmax_k <V_k, e_target>]``.

    The gradient flows through the chosen interest only. Reference: Cen et al., KDD 2020, section 3.3, eq. 8.

    Args:
      interests: float [M, K, D].
      interest_mask: bool [M, K]; an inactive interest is never chosen.
      targets: float [M, D], vectors of the target items.

    Returns:
      float [M, D].
    """
    scores = tf.einsum("mkd,md->mk", interests, targets)
    chosen = tf.argmax(tf.where(interest_mask, scores, tf.cast(INACTIVE_SCORE, scores.dtype)), axis=1)
    return tf.gather(interests, tf.stop_gradient(chosen), batch_dims=1)


def max_scores(
    interests: tf.Tensor, interest_mask: tf.Tensor, targets: tf.Tensor, negatives: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Every candidate scored as serving scores it, by its best interest: ``max_k <V_k, e_i>``.

    Args:
      interests: float [M, K, D].
      interest_mask: bool [M, K].
      targets: float [M, D], vectors of the target items.
      negatives: float [S, D], shared by the batch.

    Returns:
      scores of the targets [M] and of the negatives [M, S].
    """
    positive, negative = _scores_by_interest(interests, interest_mask, targets, negatives)
    return tf.reduce_max(positive, axis=1), tf.reduce_max(negative, axis=1)


def mixture_scores(
    interests: tf.Tensor, interest_mask: tf.Tensor, targets: tf.Tensor, negatives: tf.Tensor, temperature: float = 1.0
) -> tuple[tf.Tensor, tf.Tensor]:
    """Every candidate scored by all interests together: ``tau log sum_k exp(<V_k, e_i> / tau)``.

    A smooth maximum: the probability of an item is then that of a mixture whose components are the interests,
    ``p(i) ~ sum_k exp(<V_k, e_i> / tau)``, and every interest learns from every target by its share in it, the
    weaker ones too. With K = 1 it is the inner product, and for small tau it is :func:`max_scores`. Not in any of the
    implemented papers; the mixture of Yang et al., "Breaking the Softmax Bottleneck", ICLR 2018, normalises each
    component by itself.

    Args:
      interests: float [M, K, D].
      interest_mask: bool [M, K].
      targets: float [M, D], vectors of the target items.
      negatives: float [S, D], shared by the batch.
      temperature: tau, of the loss.

    Returns:
      scores of the targets [M] and of the negatives [M, S], float32.
    """
    scores = _scores_by_interest(interests, interest_mask, targets, negatives)
    positive, negative = (
        temperature * tf.reduce_logsumexp(tf.cast(values, tf.float32) / temperature, axis=1) for values in scores
    )
    return positive, negative


def _scores_by_interest(
    interests: tf.Tensor, interest_mask: tf.Tensor, targets: tf.Tensor, negatives: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Scores [M, K] of the targets and [M, K, S] of the negatives; those of inactive interests are very low."""
    shape = tf.shape(interests)
    inactive = tf.cast(tf.where(interest_mask, 0.0, INACTIVE_SCORE), interests.dtype)
    positive = tf.einsum("mkd,md->mk", interests, targets) + inactive
    flat = tf.matmul(tf.reshape(interests, [-1, shape[2]]), negatives, transpose_b=True)
    negative = tf.reshape(flat, [shape[0], shape[1], tf.shape(negatives)[0]])
    return positive, negative + inactive[:, :, tf.newaxis]
