import numpy as np
import tensorflow as tf

from trainer.training.lazy_adam import LazyAdam


def _adam(gradients: list[np.ndarray], start: np.ndarray, rate: float = 0.1) -> np.ndarray:
    """Algorithm 1 of the paper on one parameter vector; a None gradient is a step that touches nothing."""
    value, momentum, velocity = start.copy(), np.zeros_like(start), np.zeros_like(start)
    for step, gradient in enumerate(gradients, 1):
        if gradient is None:
            continue
        momentum = 0.9 * momentum + 0.1 * gradient
        velocity = 0.999 * velocity + 0.001 * gradient**2
        correction = np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
        value = value - rate * correction * momentum / (np.sqrt(velocity) + 1e-7)
    return value


def test_only_the_rows_of_a_batch_change_and_as_adam_says():
    table = tf.Variable(np.ones((4, 2), np.float32))
    optimizer = LazyAdam(0.1)
    optimizer.build([table])
    batches = [([0, 2, 0], [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), ([2], [[-1.0, 1.0]]), ([0], [[2.0, 2.0]])]
    for rows, values in batches:
        optimizer.apply_gradients(
            [(tf.IndexedSlices(tf.constant(values), tf.constant(rows), tf.constant([4, 2])), table)]
        )
    one = np.ones(2)
    row_0 = _adam([np.array([6.0, 8.0]), None, np.array([2.0, 2.0])], one)
    row_2 = _adam([np.array([3.0, 4.0]), np.array([-1.0, 1.0]), None], one)
    np.testing.assert_allclose(table, [row_0, one, row_2, one], rtol=1e-5)


def test_dense_gradients_are_stock_adam():
    weights = tf.Variable([1.0, -2.0])
    optimizer = LazyAdam(0.1)
    gradients = [np.array([0.5, -0.5]), np.array([1.0, 0.25])]
    for gradient in gradients:
        optimizer.apply_gradients([(tf.constant(gradient, tf.float32), weights)])
    np.testing.assert_allclose(weights, _adam(gradients, np.array([1.0, -2.0])), rtol=1e-5)
