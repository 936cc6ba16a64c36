import numpy as np
import tensorflow as tf

from trainer.layers.history.prefix_rows import prefixes_as_rows, rows_as_prefixes

ITEMS = np.arange(2 * 3 * 2, dtype=np.float32).reshape(2, 3, 2)
MASK = tf.constant([[1, 1, 1], [1, 0, 0]])


def test_a_row_for_each_prefix():
    bias = np.arange(2 * 4 * 3, dtype=np.float32).reshape(1, 2, 4, 3)
    items, mask, rows_bias = prefixes_as_rows(tf.constant(ITEMS), MASK, tf.constant([[0, 2]]), tf.constant(bias))
    np.testing.assert_array_equal(items, ITEMS[[0, 0, 1, 1]])
    np.testing.assert_array_equal(mask, np.array([[1, 0, 0], [1, 1, 1], [1, 0, 0], [1, 0, 0]], bool))
    np.testing.assert_array_equal(rows_bias, bias[0, [0, 1, 0, 1]][:, np.newaxis])
    back = rows_as_prefixes(items[:, tf.newaxis], tf.constant(2))
    np.testing.assert_array_equal(back, ITEMS[:, np.newaxis].repeat(2, axis=1))


def test_queries_of_their_own_and_no_bias():
    items, mask, bias = prefixes_as_rows(tf.constant(ITEMS), MASK, tf.constant([[1], [-1]]), None)
    assert items.shape == (2, 3, 2) and bias is None
    np.testing.assert_array_equal(mask, [[True, True, False], [False, False, False]])
