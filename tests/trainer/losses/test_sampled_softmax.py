import numpy as np
import pytest
import tensorflow as tf

from trainer.losses.mixture_softmax import mixture_softmax
from trainer.losses.negatives import (
    Negatives,
    in_batch_negatives,
    log_uniform_negatives,
    plain_in_batch_negatives,
    uniform_negatives,
)
from trainer.losses.sampled_softmax import sampled_softmax

RANDOM = np.random.default_rng(3)


def test_it_is_what_tensorflow_computes():
    items = RANDOM.normal(size=(50, 4)).astype(np.float32)
    users = RANDOM.normal(size=(7, 4)).astype(np.float32)
    targets = np.array([0, 3, 3, 9, 20, 49, 1])
    indices = np.array([3, 9, 11, 30, 0])
    expected = RANDOM.uniform(0.1, 1, size=5).astype(np.float32)
    expected_targets = RANDOM.uniform(0.1, 1, size=7).astype(np.float32)
    reference = tf.nn.sampled_softmax_loss(
        items, np.zeros(50, np.float32), targets[:, np.newaxis], users, num_sampled=5, num_classes=50,
        sampled_values=(indices, expected_targets[:, np.newaxis], expected),
    )  # fmt: skip
    negatives = Negatives(tf.constant(indices), tf.math.log(expected), tf.math.log(expected_targets))
    losses = sampled_softmax(
        tf.reduce_sum(users * items[targets], axis=1),
        tf.matmul(users, items[indices].T),
        tf.constant(targets),
        negatives,
    )
    np.testing.assert_allclose(losses, reference, rtol=1e-5)


def test_by_hand():
    """Scores 1 (target), 2 and 3, expected counts 1, 1/2 and 1/4: exp(1), 2 exp(2), 4 exp(3)."""
    negatives = Negatives(tf.constant([5, 6], tf.int64), tf.math.log([0.5, 0.25]), tf.zeros(1))
    loss = sampled_softmax(tf.constant([1.0]), tf.constant([[2.0, 3.0]]), tf.constant([4], tf.int64), negatives)
    expected = -np.log(np.e / (np.e + 2 * np.e**2 + 4 * np.e**3))
    np.testing.assert_allclose(loss, [expected], rtol=1e-6)


def test_a_small_catalogue_is_scored_whole_without_correction():
    negatives = log_uniform_negatives(tf.constant([1, 2], tf.int64), num_items=4, num_negatives=9, seed=1)
    np.testing.assert_array_equal(negatives.indices, [0, 1, 2, 3])
    np.testing.assert_array_equal(negatives.log_expected, np.zeros(4))
    scores = np.array([[0.5, 1.0, 2.0, -1.0], [0.1, 0.2, 0.3, 0.4]], np.float32)
    losses = sampled_softmax(tf.constant([1.0, 0.3]), tf.constant(scores), tf.constant([1, 2], tf.int64), negatives)
    softmax = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(losses, -np.log([softmax[0, 1], softmax[1, 2]]), rtol=1e-5)


def test_negatives_are_distinct_and_drawn_log_uniformly():
    """One of 1,000 items is drawn 4,000 times; log-uniform gives item i log((i + 2) / (i + 1)) / log(1001)."""
    draws = [
        int(log_uniform_negatives(tf.constant([0], tf.int64), 1000, 1, seed=seed).indices[0]) for seed in range(1, 4001)
    ]
    for low, high in ((0, 1), (1, 10), (10, 100), (100, 1000)):
        share = np.mean([low <= draw < high for draw in draws])
        expected = np.log((high + 1) / (low + 1)) / np.log(1001)
        assert abs(share - expected) < 4 * np.sqrt(expected * (1 - expected) / 4000)
    many = log_uniform_negatives(tf.constant([0], tf.int64), 1000, 200, seed=1).indices.numpy()
    assert len(set(many)) == 200


def test_bad_arguments():
    with pytest.raises(ValueError, match="Received: 10, 0"):
        log_uniform_negatives(tf.constant([0], tf.int64), 10, 0, seed=1)


def test_uniform_negatives():
    negatives = uniform_negatives(tf.constant([0, 9], tf.int64), 10, 4, seed=1)
    assert len(set(negatives.indices.numpy())) == 4
    np.testing.assert_array_equal(negatives.log_expected, np.repeat(negatives.log_expected[0], 4))
    np.testing.assert_allclose(negatives.log_expected_targets, np.repeat(negatives.log_expected[0], 2))


def test_in_batch_negatives_by_hand():
    """Three targets; an item of share p is among them 1 - (1 - p)^3 times."""
    negatives = in_batch_negatives(tf.constant([2, 0, 2], tf.int64), tf.constant([0.5, 0.3, 0.2]))
    np.testing.assert_array_equal(negatives.indices, [2, 0])
    expected = {0: np.log(1 - 0.5**3), 2: np.log(1 - 0.8**3)}
    np.testing.assert_allclose(negatives.log_expected, [expected[2], expected[0]], rtol=1e-5)
    np.testing.assert_allclose(negatives.log_expected_targets, [expected[2], expected[0], expected[2]], rtol=1e-5)


def test_hard_negatives_against_numpy():
    """REMI: exp(s) / (exp(s) + sum_j w_j exp(n_j)), the true item left out of the negatives and of the mean."""
    scores = np.array([0.3, -0.2, 1.1, 0.7])
    negatives = Negatives(tf.constant([4, 5, 6, 7], tf.int64), tf.zeros(4), tf.zeros(1))
    loss = sampled_softmax(
        tf.constant([0.5]), tf.constant([scores], tf.float32), tf.constant([6], tf.int64), negatives, hardness=0.8
    )
    kept = scores[[0, 1, 3]]
    weights = np.exp(0.8 * kept) / np.exp(0.8 * kept).mean()
    expected = -np.log(np.exp(0.5) / (np.exp(0.5) + (weights * np.exp(kept)).sum()))
    np.testing.assert_allclose(loss, [expected], rtol=1e-5)


def test_plain_in_batch_is_cross_entropy_over_the_rows():
    """Rows 0 and 2 have the same target: the other row's copy is a negative, nothing is subtracted."""
    targets = tf.constant([4, 7, 4, 1], tf.int64)
    vectors = RANDOM.normal(size=(8, 3)).astype(np.float32)
    users = RANDOM.normal(size=(4, 2, 3)).astype(np.float32)
    active = np.array([[True, True], [True, False], [True, True], [True, True]])
    candidates = vectors[targets.numpy()]
    scores = np.where(active[..., np.newaxis], users @ candidates.T, -np.inf)
    negatives = plain_in_batch_negatives(targets)
    for smooth in (False, True):
        logits = np.logaddexp.reduce(scores, axis=1) if smooth else scores.max(axis=1)
        expected = np.log(np.exp(logits).sum(axis=1)) - np.diag(logits)
        if smooth:
            losses = mixture_softmax(
                tf.constant(users), tf.constant(active), tf.constant(candidates), tf.constant(candidates),
                targets, negatives,
            )  # fmt: skip
        else:
            best = tf.constant(logits)
            losses = sampled_softmax(tf.linalg.diag_part(best), best, targets, negatives)
        np.testing.assert_allclose(losses, expected, rtol=1e-5)
