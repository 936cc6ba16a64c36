import numpy as np
import pytest
import tensorflow as tf

from trainer.losses.mixture_softmax import mixture_softmax
from trainer.losses.negatives import Negatives
from trainer.losses.split_mixture_softmax import split_mixture_softmax

RANDOM = np.random.default_rng(3)
M, K, D, N, TAU = 5, 3, 4, 30, 0.2
ITEMS = RANDOM.normal(size=(N, D))
ITEMS /= np.linalg.norm(ITEMS, axis=1, keepdims=True)
INTERESTS = RANDOM.normal(size=(M, K, D))
INTERESTS /= np.linalg.norm(INTERESTS, axis=2, keepdims=True)
IN_USE = np.array([3, 2, 1, 3, 2])
for _row, _number in enumerate(IN_USE):
    INTERESTS[_row] = INTERESTS[_row, np.arange(K) % _number]
PRIOR = RANDOM.uniform(0.2, 0.8, size=(M, K))
for _row, _number in enumerate(IN_USE):
    PRIOR[_row] = PRIOR[_row, np.arange(K) % _number]
TARGETS = np.array([0, 3, 3, 9, 20])
INDICES = np.array([9, 3, 11, 0, 17, 5, 8])
"""Three parts of two; the last is left over. Rows 0 to 3 have their target among them, in the parts 1, 0, 0 and 0."""
EXPECTED = RANDOM.uniform(0.1, 1, size=N)


def _loss(interests=INTERESTS, items=ITEMS, prior=PRIOR):
    negatives = Negatives(
        tf.constant(INDICES),
        tf.constant(np.log(EXPECTED[INDICES]), tf.float32),
        tf.constant(np.log(EXPECTED[TARGETS]), tf.float32),
    )
    targets, items = tf.constant(TARGETS), tf.cast(items, tf.float32)
    mask = tf.constant(np.arange(K) < IN_USE[:, np.newaxis])
    return split_mixture_softmax(
        tf.cast(interests, tf.float32), tf.cast(np.log(prior), tf.float32), mask,
        tf.gather(items, targets), tf.gather(items, INDICES), targets, negatives, TAU,
    )  # fmt: skip


def _by_hand(row, interests=INTERESTS, items=ITEMS):
    """Each interest against its own parts, counted as often as makes K of them."""
    number, target = IN_USE[row], TARGETS[row]
    others = 0.0
    for k in range(number):
        parts = [place for place in range(K) if place % number == k]
        for place in parts:
            for item in INDICES[2 * place : 2 * place + 2]:
                if item != target:
                    weight = PRIOR[row, k] * np.exp(interests[row, k] @ items[item] / TAU) / EXPECTED[item]
                    others += weight * K / len(parts)
    own = sum(PRIOR[row, k] * np.exp(interests[row, k] @ items[target] / TAU) for k in range(number)) / EXPECTED[target]
    return -np.log(own / (own + others))


def test_the_loss_by_hand():
    np.testing.assert_allclose(_loss(), [_by_hand(row) for row in range(M)], rtol=1e-4)


def test_the_gradient_is_the_slope():
    """Of places that repeat an interest the slopes add up."""
    interests, items = tf.constant(INTERESTS, tf.float32), tf.constant(ITEMS, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch([interests, items])
        loss = tf.reduce_sum(_loss(interests, items))
    gradients = [tf.convert_to_tensor(gradient).numpy() for gradient in tape.gradient(loss, [interests, items])]

    def slope(which, *place):
        def total(shift):
            values = [INTERESTS.copy(), ITEMS.copy()]
            values[which][place] += shift
            return sum(_by_hand(row, *values) for row in range(M))

        return (total(1e-5) - total(-1e-5)) / 2e-5

    for row, number in enumerate(IN_USE):
        for k in range(number):
            found = gradients[0][row, k::number].sum(axis=0)
            np.testing.assert_allclose(found, [slope(0, row, k, d) for d in range(D)], rtol=2e-3, atol=1e-5)
    for item in (3, 9, 11, 5, 20):
        np.testing.assert_allclose(gradients[1][item], [slope(1, item, d) for d in range(D)], rtol=2e-3, atol=1e-5)
    assert not gradients[1][8].any()


@pytest.mark.parametrize("drawn", [INDICES[:6], np.array([1, 2, 4, 6, 7, 8])])
def test_one_interest_has_all_negatives(drawn):
    """The loss of a single vector, to rounding."""
    targets = tf.constant(TARGETS)
    negatives = Negatives(tf.constant(drawn), tf.zeros(6) - 0.3, tf.zeros(M) - 0.3)
    one, items = tf.constant(INTERESTS[:, :1], tf.float32), tf.constant(ITEMS, tf.float32)
    vectors = tf.gather(items, targets), tf.gather(items, drawn)
    mask = tf.constant([[True, False, False]] * M)
    split = split_mixture_softmax(tf.repeat(one, K, axis=1), tf.zeros((M, K)), mask, *vectors, targets, negatives, TAU)
    plain = mixture_softmax(one, mask[:, :1], *vectors, targets, negatives, TAU)
    np.testing.assert_allclose(split, plain, rtol=1e-4)


def test_interests_not_in_use_count_for_nothing_wherever_they_stand():
    """Those in use take the parts in turn: with the interests 1 and 2 in use, 1 has two parts and 2 has one."""
    masks = np.array([[0, 1, 1], [1, 0, 1], [0, 0, 1], [1, 1, 1], [0, 1, 0]], bool)
    expected, targets, items = EXPECTED, tf.constant(TARGETS), tf.constant(ITEMS, tf.float32)
    negatives = Negatives(
        tf.constant(INDICES),
        tf.constant(np.log(expected[INDICES]), tf.float32),
        tf.constant(np.log(expected[TARGETS]), tf.float32),
    )
    random = np.random.default_rng(5)
    interests, prior = random.normal(size=(M, K, D)), random.uniform(0.2, 0.8, size=(M, K))
    interests /= np.linalg.norm(interests, axis=2, keepdims=True)
    with tf.GradientTape() as tape:
        vectors = tf.constant(interests, tf.float32)
        tape.watch(vectors)
        losses = split_mixture_softmax(
            vectors, tf.constant(np.log(prior), tf.float32), tf.constant(masks),
            tf.gather(items, TARGETS), tf.gather(items, INDICES), targets, negatives, TAU,
        )  # fmt: skip
    gradient = tape.gradient(losses, vectors).numpy()

    def by_hand(row, vectors):
        used = np.flatnonzero(masks[row])
        others = 0.0
        for part in range(K):
            k = used[part % len(used)]
            weight = K / sum(used[other % len(used)] == k for other in range(K))
            for item in INDICES[2 * part : 2 * part + 2]:
                if item != TARGETS[row]:
                    others += weight * prior[row, k] * np.exp(vectors[k] @ ITEMS[item] / TAU) / expected[item]
        own = sum(prior[row, k] * np.exp(vectors[k] @ ITEMS[TARGETS[row]] / TAU) for k in used) / expected[TARGETS[row]]
        return -np.log(own / (own + others))

    np.testing.assert_allclose(losses, [by_hand(row, interests[row]) for row in range(M)], rtol=1e-4)
    for row, k, d in np.ndindex(M, K, D):
        step = np.zeros((K, D))
        step[k, d] = 1e-5
        slope = (by_hand(row, interests[row] + step) - by_hand(row, interests[row] - step)) / 2e-5
        np.testing.assert_allclose(gradient[row, k, d], slope, rtol=2e-3, atol=1e-5)


def test_the_target_alone_costs_nothing():
    """All that was drawn is the target: no loss and no gradient."""
    vectors = tf.constant([[[0.6, 0.8]]])
    with tf.GradientTape() as tape:
        tape.watch(vectors)
        loss = split_mixture_softmax(
            vectors, tf.zeros((1, 1)), tf.constant([[True]]), tf.constant([[-0.6, -0.8]]), tf.constant([[-0.6, -0.8]]),
            tf.constant([7], tf.int64), Negatives(tf.constant([7], tf.int64), tf.zeros(1), tf.zeros(1)), 1 / 60,
        )  # fmt: skip
    assert loss.numpy() == pytest.approx([0], abs=1e-9)
    np.testing.assert_allclose(tape.gradient(loss, vectors), np.zeros((1, 1, 2)), atol=1e-9)
