"""ComiRec's controllable aggregation: category-diverse lists, in the graph."""

import tensorflow as tf

from trainer.ranking.top_k import NO_SCORE, TopK, finish

DIVERSITY_POOL_FACTOR = 5
DIVERSITY_POOL_LEAST = 200


def diversity_pool(k: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
    """How many candidates a diversified list of k is chosen from, a scalar int32.

    ``max(5 k, 200)`` with a weight above 0, and exactly k without: then nothing is searched in vain.
    """
    pool = tf.maximum(DIVERSITY_POOL_FACTOR * k, DIVERSITY_POOL_LEAST)
    return tf.where(weight > 0.0, pool, k)


def diversify(candidates: TopK, item_category: tf.Tensor, weight: tf.Tensor, k: int | tf.Tensor) -> TopK:
    """ComiRec's controllable aggregation: a greedy choice of k candidates that spreads over categories.

    Each step takes the candidate with the largest ``score - weight * (number already chosen of its
    category)``, ties to the earlier candidate. Items without a category (-1) form one category of
    their own. The candidates are a pool of the best items (see ``diversity_pool``): an item outside it
    is never chosen. Returned in the order of choice, with their plain scores; with weight 0 that is
    the head of the pool.

    No step waits for another: within a category the candidates are chosen best first, so the one of rank r has
    ``score - weight * r`` when its turn comes, whatever is chosen elsewhere, and as this falls with the rank, the
    greedy choice is one sort by it.

    Args:
      candidates: the pool, [B, P], best first.
      item_category: [N] int32, category of each item, -1 for none.
      weight: scalar float32, 0 or more (the paper's reported lambda; units of the score).
      k: number of items, at least 1; may be a scalar tensor, and larger than P.

    Reference: Cen et al., Controllable Multi-Interest Framework for Recommendation, KDD 2020, section
    3.4: maximises sum f(u, i) + (weight / 2) sum_{i, j} [category(i) != category(j)] greedily.
    """
    static_k = tf.get_static_value(k)
    k = tf.convert_to_tensor(k, tf.int32)
    indices, scores, interest = candidates
    batch, pool = tf.shape(indices)[0], tf.shape(indices)[1]
    steps = tf.minimum(k, pool)
    # Times the largest rank it has to stay finite, or all ranks behind would be equal.
    weight = tf.minimum(weight, tf.float32.max / tf.cast(2 * tf.maximum(pool, 1), tf.float32))

    def greedy() -> tf.Tensor:
        rank = _rank_in_category(tf.gather(item_category, tf.maximum(indices, 0)))
        return tf.math.top_k(scores - weight * tf.cast(rank, tf.float32), steps).indices

    order = tf.cond(weight > 0.0, greedy, lambda: tf.repeat(tf.range(steps)[tf.newaxis], batch, axis=0))
    missing = [[0, 0], [0, k - steps]]
    return finish(
        tf.pad(tf.gather(indices, order, batch_dims=1), missing),
        tf.pad(tf.gather(scores, order, batch_dims=1), missing, constant_values=NO_SCORE),
        tf.pad(tf.gather(interest, order, batch_dims=1), missing),
        static_k,
    )


def _rank_in_category(category: tf.Tensor) -> tf.Tensor:
    """How many earlier candidates share a candidate's category: int32 [B, P] to int32 [B, P]."""
    pool = tf.shape(category)[1]
    first = tf.cast(category, tf.int64) * tf.cast(pool, tf.int64)
    key = first + tf.range(tf.cast(pool, tf.int64))
    ordered = tf.sort(key, axis=1)
    return tf.searchsorted(ordered, key) - tf.searchsorted(ordered, first)
