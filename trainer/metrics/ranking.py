"""Recall, hit rate and NDCG on held-out items, as expectations over ties."""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from trainer.ranking.fair_ranking import NOWHERE

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


class Places(NamedTuple):
    """Where the targets of each user stand in a list.

    Attributes:
      better: int32 [B, M], how many items rank higher than the target; the largest int32 if it cannot be found.
      tied: int32 [B, M], how many rank the same, the target included.
      targets: int64 [B, M], items; from -2 downwards items outside the catalogue, a number each; -1 for padding.
      countable: bool [B, M], the first of each target; padding never counts.
    """

    better: tf.Tensor
    tied: tf.Tensor
    targets: tf.Tensor
    countable: tf.Tensor


def places_of(better: tf.Tensor, tied: tf.Tensor, targets: tf.Tensor) -> Places:
    """The places of targets [B, M], each of which counts once however often it is listed."""
    targets = tf.cast(targets, tf.int64)
    order = tf.argsort(targets, axis=1, stable=True)
    ascending = tf.gather(targets, order, batch_dims=1)
    first = tf.concat([tf.ones_like(ascending[:, :1], tf.bool), ascending[:, 1:] != ascending[:, :-1]], axis=1)
    first = tf.gather(first, tf.argsort(order, axis=1), batch_dims=1)
    return Places(better, tied, targets, first & (targets != PADDING))


def found_in(better: tf.Tensor, tied: tf.Tensor, n: tf.Tensor | int) -> tf.Tensor:
    """The probability, float32, that an item behind ``better`` others and ``tied`` with some is among the first n."""
    return tf.cast(tf.clip_by_value(n - tf.minimum(better, n), 0, tied), tf.float32) / tf.cast(tied, tf.float32)


def share_found(found: tf.Tensor, counted: tf.Tensor) -> tf.Tensor:
    """The part of the targets that is found: of probabilities and of what counts, both [B, M], float32 [B]."""
    counted = tf.cast(counted, tf.float32)
    return tf.math.divide_no_nan(tf.reduce_sum(found * counted, axis=1), tf.reduce_sum(counted, axis=1))


def recall(places: Places, n: int) -> tf.Tensor:
    """``|top N and targets| / |targets|``, float32 [B]; 0 without targets."""
    return share_found(_found(places, n), places.countable)


def tail_recall(places: Places, n: int, tail: tf.Tensor) -> tf.Tensor:
    """Recall of the targets that are in the tail, float32 [B]; NaN for a user without any.

    Args:
      places: of the targets.
      n: length of the list.
      tail: bool [N items]; items outside the catalogue are in the tail.
    """
    rare = tf.gather(tail, tf.maximum(places.targets, 0)) | (places.targets < PADDING)
    counted = places.countable & rare
    return tf.where(tf.reduce_any(counted, axis=1), share_found(_found(places, n), counted), float("nan"))


def hit_rate(places: Places, n: int) -> tf.Tensor:
    """The probability that any target is among the first N, float32 [B]."""
    findable = places.countable & (places.targets >= 0)
    first = tf.minimum(places.better, n)
    return _any_hit(findable, tf.minimum(n - first, places.tied), places.tied)


def ndcg(places: Places, n: int) -> tf.Tensor:
    """NDCG with the ideal of min(N, |targets|) hits, float32 [B]; 0 without targets."""
    discount = tf.math.log(2.0) / tf.math.log(tf.range(n, dtype=tf.float32) + 2.0)
    ideal = tf.concat([[0.0], tf.cumsum(discount)], axis=0)
    first = tf.minimum(places.better, n)
    last = first + tf.minimum(n - first, places.tied)
    gain = (tf.gather(ideal, last) - tf.gather(ideal, first)) / tf.cast(places.tied, tf.float32)
    gain = tf.where(places.countable & (places.targets >= 0), gain, 0.0)
    size = tf.math.count_nonzero(places.countable, axis=1, dtype=tf.int32)
    return tf.math.divide_no_nan(tf.reduce_sum(gain, axis=1), tf.gather(ideal, tf.minimum(size, n)))


def _found(places: Places, n: int) -> tf.Tensor:
    return tf.where(places.targets >= 0, found_in(places.better, places.tied, n), 0.0)


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
    places = places_of(better, tied, targets)
    computed = {"recall": recall, "hit_rate": hit_rate, "ndcg": ndcg}
    return {f"{name}_at_{n}": function(places, n) for n in cutoffs for name, function in computed.items()}


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
