import numpy as np
import pytest
import tensorflow as tf

from trainer.losses.mixture_softmax import mixture_softmax
from trainer.losses.negatives import Negatives

RANDOM = np.random.default_rng(3)
M, K, D, N = 6, 3, 4, 30
ITEMS = RANDOM.normal(size=(N, D)).astype(np.float32)
INTERESTS = RANDOM.normal(size=(M, K, D)).astype(np.float32)
MASK = np.array([[1, 1, 1], [1, 0, 1], [0, 1, 0], [1, 1, 0], [1, 1, 1], [0, 0, 1]], bool)
TARGETS = np.array([0, 3, 3, 9, 20, 29])
INDICES = np.array([9, 3, 11, 0, 17])
EXPECTED = RANDOM.uniform(0.1, 1, size=N).astype(np.float32)


def _loss(interests, items, temperature, mask=MASK):
    negatives = Negatives(
        tf.constant(INDICES), tf.math.log(EXPECTED[INDICES]), tf.math.log(EXPECTED[TARGETS])
    )  # fmt: skip
    targets = tf.constant(TARGETS)
    return mixture_softmax(
        interests, tf.constant(mask), tf.gather(items, targets), tf.gather(items, INDICES), targets, negatives,
        temperature,
    )  # fmt: skip


def _by_hand(row, temperature, interests=INTERESTS, items=ITEMS, mask=MASK):
    """Each different candidate once: exp of its score over its expected count."""
    active = interests[row, mask[row]].astype(np.float64)
    candidates = {int(item) for item in INDICES} | {int(TARGETS[row])}
    weight = {item: np.exp(active @ items[item] / temperature).sum() / EXPECTED[item] for item in candidates}
    return -np.log(weight[int(TARGETS[row])] / sum(weight.values()))


@pytest.mark.parametrize("temperature", [1.0, 0.2])
def test_the_loss_by_hand(temperature):
    losses = _loss(tf.constant(INTERESTS), tf.constant(ITEMS), temperature)
    np.testing.assert_allclose(losses, [_by_hand(row, temperature) for row in range(M)], rtol=1e-4, atol=1e-5)


def test_the_gradient_is_the_slope():
    interests, items = tf.constant(INTERESTS), tf.constant(ITEMS)
    with tf.GradientTape() as tape:
        tape.watch([interests, items])
        loss = tf.reduce_sum(_loss(interests, items, 0.7))
    gradients = [tf.convert_to_tensor(gradient).numpy() for gradient in tape.gradient(loss, [interests, items])]

    def total(shift, which, place):
        values = [INTERESTS.astype(np.float64), ITEMS.astype(np.float64)]
        values[which][place] += shift
        return sum(_by_hand(row, 0.7, *values) for row in range(M))

    for which, places in ((0, [(0, 0, 1), (1, 2, 3), (1, 1, 0), (4, 2, 0)]), (1, [(3, 0), (9, 2), (17, 1), (20, 3)])):
        for place in places:
            slope = (total(1e-5, which, place) - total(-1e-5, which, place)) / 2e-5
            np.testing.assert_allclose(gradients[which][place], slope, rtol=1e-3, atol=1e-5)


def test_what_tensorflow_computes_for_one_interest():
    users, mask = INTERESTS[:, :1], np.ones((M, 1), bool)
    reference = tf.nn.sampled_softmax_loss(
        ITEMS, np.zeros(N, np.float32), TARGETS[:, np.newaxis], users[:, 0], num_sampled=5, num_classes=N,
        sampled_values=(INDICES, EXPECTED[TARGETS][:, np.newaxis], EXPECTED[INDICES]),
    )  # fmt: skip
    np.testing.assert_allclose(_loss(tf.constant(users), tf.constant(ITEMS), 1.0, mask), reference, rtol=1e-4)


def test_large_scores_stay_finite():
    losses = _loss(tf.constant(1e3 * INTERESTS), tf.constant(ITEMS), 0.01)
    assert np.isfinite(losses).all()
