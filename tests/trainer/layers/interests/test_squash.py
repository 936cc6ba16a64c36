import numpy as np
import tensorflow as tf

from trainer.layers.interests.squash import squash


def test_by_hand():
    # A length of 5 becomes 25/26, or its square root; a length of 1 becomes 1/2.
    vectors = tf.constant([[3.0, 4.0], [0.0, -1.0]])
    np.testing.assert_allclose(squash(vectors), [[0.6 * 25 / 26, 0.8 * 25 / 26], [0, -0.5]], rtol=1e-6)
    np.testing.assert_allclose(squash(vectors, 0.0), [[0.6, 0.8], [0, -1]], rtol=1e-6)
    np.testing.assert_allclose(squash(vectors, 0.5)[1], [0, -np.sqrt(0.5)], rtol=1e-6)


def test_a_zero_vector_stays_and_has_a_finite_gradient():
    for power in (1.0, 0.3, 0.0):
        vectors = tf.zeros([2, 3])
        with tf.GradientTape() as tape:
            tape.watch(vectors)
            outputs = squash(vectors, power)
        np.testing.assert_array_equal(outputs, np.zeros((2, 3)))
        assert np.isfinite(tape.gradient(outputs, vectors)).all()


def test_half_precision_neither_overflows_nor_divides_by_zero():
    outputs = squash(tf.constant([[0.0, 0.0], [300.0, 400.0]], tf.float16))
    assert outputs.dtype == tf.float16
    np.testing.assert_allclose(outputs, [[0, 0], [0.6, 0.8]], rtol=1e-3)
