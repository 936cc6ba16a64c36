"""Ranks of held-out items in the whole catalogue, without credit for ties.

Serving breaks ties by the lower, more frequent index (trainer/ranking/top_k.py): its answer has to be one list, the
same for every index and every TensorFlow Serving. Measured that way, a model whose scores are all alike would look like
the popularity ranking. Here the rank of a target is how many items score higher and how many score the same, from which
trainer/metrics/ranking.py takes the expectation over all orders of the ties.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from trainer.ranking.top_k import NO_SCORE, Keep, TopK, chunk_size, drop_excluded, finish, merged_scores

GOLDEN_SECTION = (math.sqrt(5) - 1) / 2
WINNER_TOLERANCE = 1e-5
NOWHERE = tf.int32.max
"""``better`` of a target that cannot be in the list: unknown, excluded, filtered out, or of no score."""

VectorsOf = Callable[[tf.Tensor], tf.Tensor]
"""From items, int32 [c], to their vectors, float [c, D]."""

Candidates = tuple[tf.Tensor, tf.Tensor]
"""Items in :class:`SpreadOrder`: float32 [c, D], and bool [c], which of them can be scored; 0 for those that cannot."""

Columns = Callable[[tf.Tensor | int, tf.Tensor | int], Candidates]
"""The candidates from one column to another."""


class Ranking(NamedTuple):
    """The best items of each user, and where the targets stand.

    Attributes:
      top: the k best items. Ties are in :class:`SpreadOrder`; the interest is the first of those whose score is the
        best but for rounding.
      better: int32 [B, M], how many items score higher than the target; ``NOWHERE`` and otherwise any number from k on
        where it is not among the k best.
      tied: int32 [B, M], how many items score the same, the target included; at least 1.
    """

    top: TopK
    better: tf.Tensor
    tied: tf.Tensor


class SpreadOrder:
    """A fixed order of the items in which every run of neighbours is spread over the whole catalogue.

    Column c is item ``a c mod N``, a near the golden section of N and coprime to it. In the order of the vocabulary,
    what depends on the place (which of two equal scores is first, how a product is rounded) depends on popularity.

    Args:
      size: N, at least 1.
    """

    def __init__(self, size: int) -> None:
        step = max(round(size * GOLDEN_SECTION), 1)
        while math.gcd(step, size) > 1:
            step += 1
        self._size, self._step, self._back = size, step, pow(step, -1, size)

    def item(self, column: tf.Tensor) -> tf.Tensor:
        """The item of each column, int32, from an integer tensor of any shape."""
        return tf.cast(tf.cast(column, tf.int64) * self._step % self._size, tf.int32)

    def column(self, item: tf.Tensor) -> tf.Tensor:
        """The column of each item, int32; -1 for negative numbers."""
        column = tf.cast(tf.cast(item, tf.int64) * self._back % self._size, tf.int32)
        return tf.where(item < 0, -1, column)


def computed(num_items: int, vectors_of: VectorsOf) -> Columns:
    """Candidates whose vectors are computed when they are scored."""
    order = SpreadOrder(num_items)

    def columns(start: tf.Tensor | int, stop: tf.Tensor | int) -> Candidates:
        vectors = tf.cast(vectors_of(order.item(tf.range(start, stop))), tf.float32)
        usable = _finite(vectors)
        # Choosing costs as much as a third of the product with the interests, and there is hardly ever a choice.
        vectors = tf.cond(tf.reduce_all(usable), lambda: vectors, lambda: tf.where(usable[:, tf.newaxis], vectors, 0.0))
        return vectors, usable

    return columns


def kept(num_items: int, vectors_of: VectorsOf, chunk: int = 65_536) -> Candidates:
    """All candidates, computed ``chunk`` at a time."""
    columns = computed(num_items, vectors_of)
    parts = [columns(start, min(start + chunk, num_items)) for start in range(0, num_items, chunk)]
    return tf.concat([vectors for vectors, _ in parts], axis=0), tf.concat([usable for _, usable in parts], axis=0)


def of_kept(candidates: Candidates) -> Columns:
    """Columns of the candidates of :func:`kept`."""
    vectors, usable = candidates
    return lambda start, stop: (vectors[start:stop], usable[start:stop])


def fair_ranking(
    interests: tf.Tensor,
    interest_mask: tf.Tensor,
    num_items: int,
    columns: Columns,
    targets: tf.Tensor,
    k: int,
    chunk: int = 65_536,
    excluded: tf.Tensor | None = None,
    keep: Keep | None = None,
    winners: bool = True,
    temperature: float | None = None,
) -> Ranking:
    """Scores the whole catalogue, a chunk at a time, as trainer.ranking.top_k.exact_top_k does.

    A score is that of :func:`~trainer.ranking.top_k.merged_scores`. An interest or an item with a vector that is not
    finite, or whose square is not, has no score: what a model cannot compute counts as missed. The products of all
    others are finite.

    Args:
      interests: float32 [B, K, D].
      interest_mask: bool [B, K]; a user without any gets an empty list.
      num_items: N.
      columns: the items, of :func:`computed` or :func:`of_kept`.
      targets: int [B, M], item indices; negative numbers are no items.
      k: length of the list, at least 1.
      chunk: items scored at a time, at most.
      excluded: int [B, E], items that are not ranked; -1 is padding.
      keep: which items each user may get; None for all.
      winners: whether to say which interest gave each item, at half the cost again for long lists; else 0.
      temperature: of :func:`~trainer.ranking.top_k.merged_scores`; None for the maximum over interests.
    """
    order = SpreadOrder(num_items)
    batch, num_interests, dimension = tf.unstack(tf.shape(interests))
    active = interest_mask & _finite(interests)
    somebody = tf.reduce_any(active, axis=1)
    # Another active interest in the place of one that is not changes no maximum, and is cheaper than to leave it out.
    # A sum it would change.
    inactive = tf.reshape(tf.where(active, 0.0, NO_SCORE), [batch, num_interests, 1])
    other = tf.gather(interests, tf.argmax(tf.cast(active, tf.int8), axis=1), batch_dims=1)[:, tf.newaxis]
    queries = tf.where(active[:, :, tf.newaxis], interests, tf.where(somebody[:, tf.newaxis, tf.newaxis], other, 0.0))
    queries = tf.reshape(queries, [batch * num_interests, dimension])
    step = chunk_size(batch * num_interests, chunk)
    wanted = order.column(targets)
    unwanted = None if excluded is None else order.column(excluded)

    def search_chunk(
        start: tf.Tensor, found: TopK, tied: tf.Tensor, target_scores: tf.Tensor
    ) -> tuple[tf.Tensor, TopK, tf.Tensor, tf.Tensor]:
        stop = tf.minimum(start + step, num_items)
        items, (rows, usable) = order.item(tf.range(start, stop)), columns(start, stop)
        by_interest = tf.reshape(tf.matmul(queries, rows, transpose_b=True), [batch, num_interests, -1])
        best = merged_scores(by_interest if temperature is None else by_interest + inactive, temperature)
        best = tf.cond(tf.reduce_all(usable), lambda: best, lambda: tf.where(usable, best, NO_SCORE))
        best = drop_excluded(best, start, unwanted)
        if keep is not None:
            best = tf.where(keep(tf.broadcast_to(items, tf.shape(best))), best, NO_SCORE)
        scores, position = tf.math.top_k(best, tf.minimum(k, tf.shape(best)[1]))
        winner = tf.zeros_like(position)
        if winners:
            of_best = tf.gather(by_interest, tf.repeat(position[:, tf.newaxis], num_interests, axis=1), batch_dims=2)
            winner = _winner(tf.where(active[:, :, tf.newaxis], of_best, NO_SCORE))
        merged, places = tf.math.top_k(tf.concat([found.scores, scores], axis=1), k)
        last, last_before = merged[:, -1:], found.scores[:, -1:]
        # An item that was left out of the list so far scores no higher than its last.
        before = tf.where(last > last_before, _equal(found.scores, last), tied)
        before = tf.ensure_shape(before, [None, 1])
        target_scores = tf.where(
            (wanted >= start) & (wanted < start + tf.size(items)),
            tf.gather(best, tf.clip_by_value(wanted - start, 0, tf.size(items) - 1), batch_dims=1),
            target_scores,
        )
        indices, interest = (
            tf.gather(tf.concat(parts, axis=1), places, batch_dims=1)
            for parts in ((found.indices, tf.gather(items, position)), (found.interest, winner))
        )
        return start + step, TopK(indices, merged, interest), before + _equal(best, last), target_scores

    width = tf.TensorShape([None, None])
    start = TopK(tf.fill([batch, k], -1), tf.fill([batch, k], NO_SCORE), tf.zeros([batch, k], tf.int32))
    _, found, tied, scores = tf.while_loop(
        lambda start, *_: start < num_items,
        search_chunk,
        (0, start, tf.zeros([batch, 1], tf.int32), tf.fill(tf.shape(wanted), NO_SCORE)),
        shape_invariants=(tf.TensorShape([]), TopK(width, width, width), width, width),
        parallel_iterations=1,
    )
    found = found._replace(scores=tf.where(somebody[:, tf.newaxis], found.scores, NO_SCORE))
    scores = tf.where(somebody[:, tf.newaxis], scores, NO_SCORE)
    last = found.scores[:, -1:]
    # In ascending order of the negative: what is better stands to the left, and equals are in one run.
    cost, wanted_cost = -found.scores, -scores
    better = tf.searchsorted(cost, wanted_cost, side="left")
    same = tf.searchsorted(cost, wanted_cost, side="right") - better
    same = tf.where(scores == last, tied, same)
    better = tf.where((scores >= last) & (scores > NO_SCORE), better, NOWHERE)
    return Ranking(finish(found.indices, found.scores, found.interest, k), better, tf.maximum(same, 1))


def _finite(vectors: tf.Tensor) -> tf.Tensor:
    """Whether a vector's square is finite; by Cauchy-Schwarz so are the products of two that are."""
    return tf.math.is_finite(tf.reduce_sum(tf.square(vectors), axis=-1))


def _equal(scores: tf.Tensor, last: tf.Tensor) -> tf.Tensor:
    """How many scores [B, c] equal ``last`` [B, 1]: int32 [B, 1]."""
    return tf.reduce_sum(tf.cast(scores == last, tf.int32), axis=1, keepdims=True)


def _winner(by_interest: tf.Tensor) -> tf.Tensor:
    """The first interest [B, k] whose score [B, K, k] is the best but for rounding.

    Interests that collapsed to one direction win at random by the last bit; then they would seem to share the list.
    """
    best = tf.reduce_max(by_interest, axis=1, keepdims=True)
    scale = tf.reduce_max(tf.where(tf.math.is_finite(best), tf.abs(best), 0.0), axis=2, keepdims=True)
    return tf.argmax(tf.cast(by_interest >= best - WINNER_TOLERANCE * scale, tf.int8), axis=1, output_type=tf.int32)
