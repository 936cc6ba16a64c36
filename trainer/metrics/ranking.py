"""Recall, hit rate and NDCG of a ranking against a set of held-out items."""

from collections.abc import Sequence

import tensorflow as tf

from trainer.fair_ranking import NOWHERE

CUTOFFS = (20, 50)
PADDING = -1


def ranking_metrics(ranked: tf.Tensor, targets: tf.Tensor, cutoffs: Sequence[int] = CUTOFFS) -> dict[str, tf.Tensor]:
    """:func:`rank_metrics` of a list, whose order says that there are no ties.

    Args:
      ranked: int [B, N], item indices, best first, -1 where the list has ended.
      targets: int [B, M] as in :func:`rank_metrics`.
      cutoffs: the N to report.

    Returns:
      see :func:`rank_metrics`.
    """
    hits = tf.cast(ranked, tf.int64)[:, :, tf.newaxis] == tf.cast(targets, tf.int64)[:, tf.newaxis, :]
    hits &= (ranked >= 0)[:, :, tf.newaxis]
    place = tf.argmax(tf.cast(hits, tf.int8), axis=1, output_type=tf.int32)
    better = tf.where(tf.reduce_any(hits, axis=1), place, NOWHERE)
    return rank_metrics(better, tf.ones_like(better), targets, cutoffs)


def rank_metrics(
    better: tf.Tensor, tied: tf.Tensor, targets: tf.Tensor, cutoffs: Sequence[int] = CUTOFFS
) -> dict[str, tf.Tensor]:
    """Per-user metrics under the ComiRec protocol, the expectation over all orders of items with equal scores.

    ``recall@N = |top N and targets| / |targets|``, ``hit_rate@N`` is the probability that any target is among the top
    N, ``ndcg@N`` has the ideal of min(N, |targets|) hits. Targets count once however often they are listed; a target
    that is not in the catalogue counts and cannot be hit.

    Of t items with equal scores behind a better ones, each is in every place from a to a + t - 1 equally often, and
    ``max(0, min(N - a, t)) / t`` is its share of places among the top N. That none of m targets among them is, with N
    cutting through them, has the hypergeometric probability ``C(t - m, N - a) / C(t, N - a)``.

    References: Cen et al., KDD 2020, section 4.1; NDCG's ideal departs from their released code, which divides by the
    ideal of the hits found. Ties: McSherry and Najork, "Computing Information Retrieval Performance Measures
    Efficiently in the Presence of Tied Scores", ECIR 2008.

    Args:
      better: int32 [B, M], how many items rank higher than the target; the largest int32 if it cannot be found.
      tied: int32 [B, M], how many rank the same, the target included.
      targets: int [B, M]: item indices; from -2 downwards items outside the catalogue, a number each; -1 for padding.
      cutoffs: the N to report.

    Returns:
      ``recall_at_<N>``, ``hit_rate_at_<N>``, ``ndcg_at_<N>``: float32 [B], 0 for a user without targets.
    """
    targets = tf.cast(targets, tf.int64)
    order = tf.argsort(targets, axis=1)
    targets, better, tied = (tf.gather(values, order, batch_dims=1) for values in (targets, better, tied))
    repeated = tf.concat([tf.zeros_like(targets[:, :1], tf.bool), targets[:, 1:] == targets[:, :-1]], axis=1)
    countable = (targets != PADDING) & ~repeated
    size = tf.reduce_sum(tf.cast(countable, tf.float32), axis=1)
    findable = countable & (targets >= 0)
    share = tf.cast(tied, tf.float32)
    discount = tf.math.log(2.0) / tf.math.log(tf.range(max(cutoffs), dtype=tf.float32) + 2.0)
    ideal = tf.concat([[0.0], tf.cumsum(discount)], axis=0)
    outputs = {}
    for n in cutoffs:
        first = tf.minimum(better, n)
        places = tf.minimum(n - first, tied)
        found = tf.where(findable, tf.cast(places, tf.float32) / share, 0.0)
        gain = tf.where(findable, (tf.gather(ideal, first + places) - tf.gather(ideal, first)) / share, 0.0)
        best = tf.gather(ideal, tf.cast(tf.minimum(size, float(n)), tf.int32))
        outputs[f"recall_at_{n}"] = tf.math.divide_no_nan(tf.reduce_sum(found, axis=1), size)
        outputs[f"hit_rate_at_{n}"] = _any_hit(findable, places, tied)
        outputs[f"ndcg_at_{n}"] = tf.math.divide_no_nan(tf.reduce_sum(gain, axis=1), best)
    return outputs


def _any_hit(findable: tf.Tensor, places: tf.Tensor, tied: tf.Tensor) -> tf.Tensor:
    """The probability that a target is in the list.

    Only one group of ties can be cut by the list's end, so that all targets in doubt [B, M] are of one group.

    Args:
      findable: bool [B, M], targets that count.
      places: int32 [B, M], how many of the group's places are in the list; 0 for a target that cannot be there.
      tied: int32 [B, M], size of the group.
    """
    sure = tf.reduce_any(findable & (places == tied), axis=1)
    doubtful = findable & (places > 0) & (places < tied)
    drawn = tf.cumsum(tf.cast(doubtful, tf.int32), axis=1, exclusive=True)
    missed = tf.cast(tf.maximum(tied - places - drawn, 0), tf.float32) / tf.cast(
        tf.maximum(tied - drawn, 1), tf.float32
    )
    none = tf.reduce_prod(tf.where(doubtful, missed, 1.0), axis=1)
    return tf.where(sure, 1.0, 1.0 - none)
