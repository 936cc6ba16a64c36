"""Explanation of an item's score, in the graph."""

from collections.abc import Mapping

import tensorflow as tf

from trainer.ranking.top_k import NO_SCORE


def explanation(encoded: Mapping[str, tf.Tensor], rows: tf.Tensor, vectors: tf.Tensor) -> dict[str, tf.Tensor]:
    """What each item gets from each interest, and what of the history weighs in the best one.

    Args:
      encoded: of the user tower: ``interests`` [B, K, D], ``interest_mask`` [B, K], ``attribution`` [B, K, T].
      rows: int [B, M], of the items, -1 for an unknown one.
      vectors: [B, M, D] of the items; anything for an unknown one.

    Returns:
      ``known``, ``interest_scores``, ``interest`` and ``weights``; see
      :meth:`serving.graph.retrieval.ServedModel.explain`.
    """
    known = rows >= 0
    scores = tf.einsum("bkd,bmd->bmk", encoded["interests"], vectors)
    possible = known[..., tf.newaxis] & encoded["interest_mask"][:, tf.newaxis]
    scores = tf.where(possible, scores, NO_SCORE)
    any_possible = tf.reduce_any(possible, axis=2)
    winner = tf.argmax(scores, axis=2, output_type=tf.int32)
    weights = tf.gather(encoded["attribution"], winner, batch_dims=1)
    return {
        "known": known,
        "interest_scores": scores,
        "interest": tf.where(any_possible, winner, -1),
        "weights": tf.where(any_possible[..., tf.newaxis], weights, 0.0),
    }
