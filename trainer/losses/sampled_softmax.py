"""Sampled softmax over the target and shared negatives, with logQ correction."""

import tensorflow as tf

from trainer.losses.negatives import Negatives

HIT_LOGIT = -1e9


def sampled_softmax(
    target_scores: tf.Tensor,
    negative_scores: tf.Tensor,
    targets: tf.Tensor,
    negatives: Negatives,
    hardness: float = 0.0,
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
      hardness: beta of the interest-aware hard negatives (Xie et al., "Rethinking Multi-Interest Learning for
        Candidate Matching in Recommender Systems", RecSys 2023, eq. 8): negative j counts ``w_j`` times,
        ``w_j = exp(beta s_j) / mean_j exp(beta s_j)``, made for uniform negatives; 0 counts each once.

    Returns:
      float32 [M], in nats.
    """
    positive = tf.cast(target_scores, tf.float32) - negatives.log_expected_targets
    logits = tf.cast(negative_scores, tf.float32) - negatives.log_expected
    hits = negatives.hits(targets)
    if hardness:
        emphasis = tf.where(hits, HIT_LOGIT, hardness * tf.cast(negative_scores, tf.float32))
        count = tf.reduce_sum(tf.cast(~hits, tf.float32), axis=1, keepdims=True)
        logits += emphasis - tf.reduce_logsumexp(emphasis, axis=1, keepdims=True) + tf.math.log(tf.maximum(count, 1.0))
    logits = tf.where(hits, HIT_LOGIT, logits)
    everything = tf.concat([tf.expand_dims(positive, 1), logits], axis=1)
    return tf.reduce_logsumexp(everything, axis=1) - positive
