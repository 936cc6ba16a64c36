"""How K interests score a candidate while training."""

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


def max_scores(interests: tf.Tensor, interest_mask: tf.Tensor, targets: tf.Tensor, negatives: tf.Tensor) -> tuple:
    """Every candidate scored as serving scores it, by its best interest: ``max_k <V_k, e_i>``.

    Args:
      interests: float [M, K, D].
      interest_mask: bool [M, K].
      targets: float [M, D].
      negatives: float [S, D], shared by the batch.

    Returns:
      scores of the targets [M] and of the negatives [M, S].
    """
    shape = tf.shape(interests)
    inactive = tf.where(interest_mask, 0.0, INACTIVE_SCORE)
    positive = tf.einsum("mkd,md->mk", interests, targets) + tf.cast(inactive, interests.dtype)
    flat = tf.matmul(tf.reshape(interests, [-1, shape[2]]), negatives, transpose_b=True)
    negative = (
        tf.reshape(flat, [shape[0], shape[1], tf.shape(negatives)[0]])
        + tf.cast(inactive, interests.dtype)[:, :, tf.newaxis]
    )
    return tf.reduce_max(positive, axis=1), tf.reduce_max(negative, axis=1)
