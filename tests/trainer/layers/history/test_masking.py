import numpy as np
import tensorflow as tf

from trainer.layers.history.masking import all_positions, from_the_newest, last_positions, masked_softmax, prefix_mask

MASK = tf.constant([[1, 1, 0], [0, 0, 0]])


def test_queries():
    np.testing.assert_array_equal(all_positions(MASK), [[0, 1, 2]])
    np.testing.assert_array_equal(last_positions(MASK), [[1], [-1]])


def test_a_prefix_sees_what_is_present_and_not_younger():
    np.testing.assert_array_equal(
        prefix_mask(MASK, all_positions(MASK))[0], [[True, False, False], [True, True, False], [True, True, False]]
    )
    np.testing.assert_array_equal(prefix_mask(MASK, last_positions(MASK)), [[[True, True, False]], [[False] * 3]])


def test_positions_from_the_newest():
    """Of 5: histories of 2, 3 and none; behind a history the last one."""
    mask = tf.constant([[1, 1, 0], [1, 1, 1], [0, 0, 0]])
    np.testing.assert_array_equal(from_the_newest(mask, 5), [[3, 4, 4], [2, 3, 4], [4, 4, 4]])


def test_masked_softmax():
    logits = tf.constant([[0.0, np.log(3.0), 50.0]])
    np.testing.assert_allclose(masked_softmax(logits, tf.constant([[True, True, False]])), [[0.25, 0.75, 0]], rtol=1e-6)
    np.testing.assert_array_equal(masked_softmax(logits, tf.constant([[False] * 3])), [[0, 0, 0]])


def test_masked_softmax_in_half_precision():
    logits = tf.constant([[1.0, 1.0, 60_000.0]], tf.float16)
    np.testing.assert_array_equal(masked_softmax(logits, tf.constant([[True, True, False]])), [[0.5, 0.5, 0]])
    np.testing.assert_array_equal(masked_softmax(logits, tf.constant([[False] * 3])), [[0, 0, 0]])
