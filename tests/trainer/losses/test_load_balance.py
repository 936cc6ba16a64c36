import numpy as np
import tensorflow as tf

from trainer.losses.load_balance import load_balance

LOG_9 = float(np.log(9))


def test_by_hand():
    """Softmaxes (.9, .1), (.1, .9), (.5, .5) twice; ties ask for the first; the last item does not count."""
    gates = tf.constant([[[LOG_9, 0.0], [0.0, LOG_9]], [[0.0, 0.0], [5.0, -5.0]]])
    mask = tf.constant([[True, True], [True, False]])
    expected = 2 * (2 / 3 * (0.9 + 0.1 + 0.5) / 3 + 1 / 3 * (0.1 + 0.9 + 0.5) / 3)
    np.testing.assert_allclose(load_balance(gates, mask), expected, rtol=1e-5)


def test_ends_of_the_scale():
    mask = tf.ones([4], tf.bool)
    np.testing.assert_allclose(load_balance(50 * tf.eye(4), mask), 1, rtol=1e-5)
    np.testing.assert_allclose(load_balance(50 * tf.one_hot([1] * 4, 4), mask), 4, rtol=1e-5)


def test_no_item_and_the_gradient():
    gates = tf.constant([[0.0, 1.0], [0.5, 2.0]])
    with tf.GradientTape() as tape:
        tape.watch(gates)
        loss = load_balance(gates, tf.zeros([2], tf.bool))
    assert float(loss) == 0
    np.testing.assert_array_equal(tape.gradient(loss, gates), np.zeros((2, 2)))
    with tf.GradientTape() as tape:
        tape.watch(gates)
        loss = load_balance(gates, tf.ones([2], tf.bool))
    # All items ask for the second capsule: less of it is better.
    assert (tape.gradient(loss, gates).numpy()[:, 1] > 0).all()
