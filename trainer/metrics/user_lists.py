"""Inputs of the metrics: the lists of a batch of users, and the items' properties."""

from dataclasses import dataclass

import tensorflow as tf

from trainer.metrics.ranking import Places


@dataclass(frozen=True)
class Items:
    """The catalogue.

    Attributes:
      category: int32 [N], finest category of each item, -1 for none.
      tail: bool [N], see :func:`in_the_tail`.
      self_information: float32 [N], see :func:`trainer.metrics.novelty.self_information`.
      vectors: float32 [N, D].
    """

    category: tf.Tensor
    tail: tf.Tensor
    self_information: tf.Tensor
    vectors: tf.Tensor


@dataclass(frozen=True)
class UserLists:
    """The lists that a batch of users gets, under one restriction (seen items kept, removed, a filter).

    Attributes:
      places: where the targets stand in the list that all interests give together.
      listed: int32 [B, N], that list, best first, -1 where it has ended.
      own: int32 [B, K, L], the list that each interest gives alone, -1 where it has ended; empty for one not active.
      own_places: where the targets stand in those: ``better`` and ``tied`` int32 [B, K, M].
      interests: float32 [B, K, D].
      active: bool [B, K].
      page_rows: int32 scalar, rows of the page that shelf recall looks at: interests of the model under comparison.
      history: int [B, T], 1 + index of each item the model looked at, 0 behind the last.
      items: the catalogue.
    """

    places: Places
    listed: tf.Tensor
    own: tf.Tensor
    own_places: tuple[tf.Tensor, tf.Tensor]
    interests: tf.Tensor
    active: tf.Tensor
    page_rows: tf.Tensor
    history: tf.Tensor
    items: Items


def in_the_tail(counts: tf.Tensor) -> tf.Tensor:
    """Which items are not among the most popular ones that make up half of the interactions: bool [N].

    The head is the shortest run of the most frequent items with at least half of all interactions.

    Args:
      counts: [N], interactions of each item in the training split, descending.
    """
    counts = tf.cast(counts, tf.int64)
    return 2 * tf.cumsum(counts, exclusive=True) >= tf.reduce_sum(counts)
