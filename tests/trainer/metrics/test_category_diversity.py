"""Diversity@N against numbers computed by hand."""

import numpy as np
import tensorflow as tf

from trainer.metrics.category_diversity import category_diversity


def test_by_hand():
    """Categories x, x, y, none: of the first two none of one pair differs, of all four five of six pairs do."""
    categories = tf.constant([0, 0, 1, -1, -1])
    ranked = tf.constant([[0, 1, 2, 3], [3, 4, 0, -1], [2, -1, -1, -1]])
    diversity = category_diversity(ranked, categories, cutoffs=(2, 4))
    np.testing.assert_allclose(diversity["diversity_at_2"], [0, 0, np.nan])
    np.testing.assert_allclose(diversity["diversity_at_4"], [5 / 6, 2 / 3, np.nan], rtol=1e-6)


def test_without_categories_there_is_no_diversity():
    diversity = category_diversity(tf.constant([[0, 1]]), tf.constant([-1, -1]), cutoffs=(2,))
    np.testing.assert_array_equal(diversity["diversity_at_2"], [np.nan])
