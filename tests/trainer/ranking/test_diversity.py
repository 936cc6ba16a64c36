"""The diversified list against a greedy restatement in NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from trainer.ranking import diversity
from trainer.ranking.top_k import TopK

SEED = 7


def expected_diverse(scores, categories, weight, k):
    chosen = []
    while len(chosen) < k:
        taken = [categories[item] for item in chosen]
        gain = [
            -np.inf if item in chosen else score - weight * taken.count(categories[item])
            for item, score in enumerate(scores)
        ]
        chosen.append(int(np.argmax(gain)))
    return chosen


@pytest.mark.parametrize("weight", [0.0, 0.25, 100.0])
def test_diversity_is_the_greedy_choice(weight):
    rng = np.random.default_rng(SEED)
    scores = -np.sort(-rng.integers(0, 40, size=(4, 30)).astype(np.float32) / 8, axis=1)
    indices = np.stack([rng.permutation(50)[:30] for _ in scores]).astype(np.int32)
    categories = rng.integers(-1, 4, size=50).astype(np.int32)
    pool = TopK(*map(tf.constant, (indices, scores, indices % 3)))
    result = tf.function(diversity.diversify)(pool, categories, tf.constant(weight), tf.constant(12))
    for user in range(4):
        order = expected_diverse(scores[user], categories[indices[user]], weight, 12)
        np.testing.assert_array_equal(result.indices[user], indices[user][order])
        np.testing.assert_array_equal(result.scores[user], scores[user][order])
        np.testing.assert_array_equal(result.interest[user], indices[user][order] % 3)


def test_diversity_by_hand():
    pool = TopK(tf.constant([[0, 1, 2, 3]]), tf.constant([[9.0, 8.0, 5.0, 4.5]]), tf.zeros([1, 4], tf.int32))
    categories = tf.constant([1, 1, 1, -1])
    assert diversity.diversify(pool, categories, 4.0, 4).indices.numpy().tolist() == [[0, 3, 1, 2]]
    assert diversity.diversify(pool, categories, 0.0, 4).indices.numpy().tolist() == [[0, 1, 2, 3]]


def test_diversity_takes_a_short_pool_as_it_is():
    pool = TopK(*map(tf.constant, ([[5, 2, -1]], [[2.0, 1.0, -np.inf]], [[1, 1, 0]])))
    for weight in (0.0, 1.0):
        result = diversity.diversify(pool, tf.zeros([6], tf.int32), weight, 5)
        np.testing.assert_array_equal(result.indices, [[5, 2, -1, -1, -1]])
        np.testing.assert_array_equal(result.interest, [[1, 1, 0, 0, 0]])


def test_the_pool_is_larger_only_when_diversity_is_asked_for():
    sizes = [
        int(diversity.diversity_pool(tf.constant(k), tf.constant(w))) for k, w in ((20, 0.0), (20, 0.5), (90, 0.5))
    ]
    assert sizes == [20, 200, 450]


def test_a_weight_whose_multiples_are_infinite_still_tells_ranks_apart():
    """Eight candidates of two categories, four each: turn about, best first."""
    pool = TopK(tf.constant([range(8)]), tf.constant([[8.0, 7, 6, 5, 4, 3, 2, 1]]), tf.zeros([1, 8], tf.int32))
    found = diversity.diversify(pool, tf.constant([0] * 4 + [1] * 4), tf.constant(3e38), 8)
    assert found.indices.numpy().tolist() == [[0, 4, 1, 5, 2, 6, 3, 7]]
