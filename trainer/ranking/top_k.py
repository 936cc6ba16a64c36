"""Top-k items from several interests: exact search, exclusion and explanation, in the graph.

This is what is served. Evaluation ranks by the same scores but breaks ties otherwise (trainer/ranking/fair_ranking.py).
How a user's score of an item comes of the inner products with the user's interests is in :func:`merged_scores` alone.

Only operations of core TensorFlow are used: any TensorFlow Serving runs them.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

_MAX_SCORES = 1 << 25
NO_SCORE = float("-inf")

Keep = Callable[[tf.Tensor], tf.Tensor]
"""Which items a user may get: int32 [B, M], rows of items (0 .. N - 1), to bool [B, M]."""


class TopK(NamedTuple):
    """The best items of each user, best first; equal scores in ascending order of the index.

    Attributes:
      indices: [B, k] int32, row of the item in the item table; -1 where a user has fewer than k items.
      scores: [B, k] float32, of :func:`merged_scores`; -inf where the index is -1.
      interest: [B, k] int32, the interest that adds most to the score (the lowest at a tie); 0 where the index is -1.
    """

    indices: tf.Tensor
    scores: tf.Tensor
    interest: tf.Tensor


def merged_scores(by_interest: tf.Tensor, temperature: float | None = None) -> tf.Tensor:
    """A user's scores of items, from the scores that each interest gives: ``max_k s_k``, or a smooth maximum of them.

    With a temperature tau it is ``tau log sum_k exp(s_k / tau)``, the score that
    :func:`~trainer.losses.mixture_softmax.mixture_softmax` trains, times tau: in the units of the maximum, at least the
    maximum, and at most ``tau log K`` above it. With one active interest it is the maximum to the last bit.

    Args:
      by_interest: float32 [B, K, M], -inf for an interest that is not active.
      temperature: tau, above 0; None for the maximum.

    Returns:
      float32 [B, M]; -inf for a user without an active interest.
    """
    best = tf.reduce_max(by_interest, axis=1)
    if temperature is None or by_interest.shape[1] == 1:
        return best
    shares = tf.exp((by_interest - best[:, tf.newaxis]) / temperature)
    return tf.where(tf.math.is_finite(best), best + temperature * tf.math.log(tf.reduce_sum(shares, axis=1)), best)


def chunk_size(queries: tf.Tensor, most: int) -> tf.Tensor:
    """How many items to score at a time for so many query vectors, a scalar int32."""
    return tf.minimum(most, tf.maximum(_MAX_SCORES // tf.maximum(queries, 1), 1024))


def exact_top_k(
    interests: tf.Tensor,
    interest_mask: tf.Tensor,
    item_vectors: tf.Tensor | tf.Variable,
    k: int | tf.Tensor,
    chunk: int = 65_536,
    excluded: tf.Tensor | None = None,
    keep: Keep | None = None,
    temperature: float | None = None,
) -> TopK:
    """Scores the whole catalogue, a chunk at a time, and returns the k best items of each user.

    The scores of all items are never in memory together: at most ``B * K * chunk`` of them, and no more
    than about 2^25 (128 MB) however large the batch is.

    Args:
      interests: [B, K, D] float32.
      interest_mask: [B, K] bool; a masked interest never wins. A user without any gets an empty list.
      item_vectors: [N, D] float32.
      k: number of items, at least 1; may be a scalar tensor, and larger than N.
      chunk: items scored at a time, at most.
      excluded: [B, E] int32 or int64, indices of items that must not be returned; -1 is padding. The
        result is the exact top-k of the other items.
      keep: which items each user may get; None for all.
      temperature: of :func:`merged_scores`. The result is exact with it, too: every item is scored by it.
    """
    vectors = tf.convert_to_tensor(item_vectors)
    static_k = tf.get_static_value(k)
    k = tf.convert_to_tensor(k, tf.int32)
    num_interests, dimension = tf.shape(interests)[1], tf.shape(interests)[2]
    batch, num_items = tf.shape(interests)[0], tf.shape(vectors)[0]
    queries = tf.reshape(interests, [batch * num_interests, dimension])
    step = chunk_size(batch * num_interests, chunk)

    def more(start: tf.Tensor, *_: tf.Tensor) -> tf.Tensor:
        return start < num_items

    def search_chunk(
        start: tf.Tensor, indices: tf.Tensor, scores: tf.Tensor, interest: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        rows = vectors[start : tf.minimum(start + step, num_items)]
        by_interest = tf.matmul(queries, rows, transpose_b=True)
        by_interest = tf.reshape(by_interest, [batch, num_interests, -1])
        by_interest = tf.where(interest_mask[:, :, tf.newaxis], by_interest, NO_SCORE)
        best = drop_excluded(merged_scores(by_interest, temperature), start, excluded)
        if keep is not None:
            items = tf.broadcast_to(tf.range(start, start + tf.shape(best)[1]), tf.shape(best))
            best = tf.where(keep(items), best, NO_SCORE)
        chunk_scores, position = tf.math.top_k(best, tf.minimum(k, tf.shape(best)[1]))
        positions = tf.repeat(position[:, tf.newaxis, :], num_interests, axis=1)
        winner = tf.argmax(tf.gather(by_interest, positions, batch_dims=2), axis=1, output_type=tf.int32)
        # The list so far stands first: top_k prefers the earlier of two equals, hence the lower index.
        merged, order = tf.math.top_k(tf.concat([scores, chunk_scores], axis=1), k)
        indices = tf.gather(tf.concat([indices, position + start], axis=1), order, batch_dims=1)
        interest = tf.gather(tf.concat([interest, winner], axis=1), order, batch_dims=1)
        return start + step, indices, merged, interest

    rows = tf.TensorShape([None, None])
    _, indices, scores, interest = tf.while_loop(
        more,
        search_chunk,
        (0, tf.fill([batch, k], -1), tf.fill([batch, k], NO_SCORE), tf.zeros([batch, k], tf.int32)),
        shape_invariants=(tf.TensorShape([]), rows, rows, rows),
        parallel_iterations=1,
    )
    return finish(indices, scores, interest, static_k)


def because(
    attribution: tf.Tensor,
    history: tf.Tensor,
    interest: tf.Tensor,
    history_vectors: tf.Tensor,
    item_vectors: tf.Tensor,
) -> tf.Tensor:
    """The history item that adds most to each recommendation's score.

    An interest is, but for the layers behind it, a weighted sum of history items, so a score is a sum over them:
    item t adds ``attribution_kt <e_t, e_i>`` to the score of item i by interest k.

    Args:
      attribution: [B, K, T] float32, 0 or more: weight of each history position in each interest.
      history: [B, T] integer, item index + 1; 0 is padding.
      interest: [B, k] int32, the interest that gave each item its score.
      history_vectors: [B, T, D] float32, vectors of the history's items; anything at padding.
      item_vectors: [B, k, D] float32, vectors of the recommended items.

    Returns:
      [B, k], dtype of ``history``: index of the history item, the latest of equals; -1 for a user
      without any known item.
    """
    weights = tf.gather(attribution, interest, batch_dims=1)
    added = weights * tf.matmul(item_vectors, history_vectors, transpose_b=True)
    added = tf.where(history[:, tf.newaxis, :] > 0, added, NO_SCORE)
    length = tf.shape(history)[1]
    position = length - 1 - tf.argmax(tf.reverse(added, axis=[2]), axis=2, output_type=tf.int32)
    return tf.gather(history, position, batch_dims=1) - 1


def drop_excluded(scores: tf.Tensor, start: tf.Tensor, excluded: tf.Tensor | None) -> tf.Tensor:
    """Sets the scores [B, c] of excluded items to -inf; column 0 is item ``start``."""
    if excluded is None:
        return scores
    column = tf.cast(excluded, tf.int32) - start
    inside = (excluded >= 0) & (column >= 0) & (column < tf.shape(scores)[1])
    row = tf.repeat(tf.range(tf.shape(column)[0])[:, tf.newaxis], tf.shape(column)[1], axis=1)
    where = tf.stack([row, tf.where(inside, column, 0)], axis=2)
    # The minimum with +inf leaves a score as it is: items of other chunks need no filtering.
    return tf.tensor_scatter_nd_min(scores, where, tf.where(inside, NO_SCORE, float("inf")))


def finish(indices: tf.Tensor, scores: tf.Tensor, interest: tf.Tensor, k: int | None) -> TopK:
    """Marks missing places; states the width where it is known before the graph runs."""
    found = scores > NO_SCORE
    result = TopK(tf.where(found, indices, -1), scores, tf.where(found, interest, 0))
    for tensor in result:
        tensor.set_shape([None, k])
    return result
