import numpy as np
import tensorflow as tf

from trainer.losses.read_out import hard_read_out, max_scores, mixture_scores

RANDOM = np.random.default_rng(2)
INTERESTS = RANDOM.normal(size=(4, 3, 5)).astype(np.float32)
MASK = np.array([[1, 1, 1], [1, 0, 1], [0, 1, 0], [1, 1, 0]], bool)
TARGETS = RANDOM.normal(size=(4, 5)).astype(np.float32)
NEGATIVES = RANDOM.normal(size=(6, 5)).astype(np.float32)


def test_hard_takes_the_best_active_interest():
    chosen = hard_read_out(tf.constant(INTERESTS), tf.constant(MASK), tf.constant(TARGETS))
    for row in range(4):
        active = [k for k in range(3) if MASK[row, k]]
        best = max(active, key=lambda k, row=row: INTERESTS[row, k] @ TARGETS[row])
        np.testing.assert_array_equal(chosen[row], INTERESTS[row, best])


def test_the_gradient_flows_through_the_chosen_interest_only():
    interests = tf.constant([[[1.0, 0.0], [0.0, 1.0]]])
    with tf.GradientTape() as tape:
        tape.watch(interests)
        vector = hard_read_out(interests, tf.constant([[True, True]]), tf.constant([[0.0, 3.0]]))
        loss = tf.reduce_sum(vector * [[5.0, 7.0]])
    np.testing.assert_array_equal(tape.gradient(loss, interests), [[[0, 0], [5, 7]]])


def test_max_scores_every_candidate_by_its_best_active_interest():
    positive, negative = max_scores(
        tf.constant(INTERESTS), tf.constant(MASK), tf.constant(TARGETS), tf.constant(NEGATIVES)
    )
    for row in range(4):
        active = INTERESTS[row, MASK[row]]
        np.testing.assert_allclose(positive[row], (active @ TARGETS[row]).max(), rtol=1e-5)
        np.testing.assert_allclose(negative[row], (active @ NEGATIVES.T).max(axis=0), rtol=1e-5)


def test_a_mixture_scores_by_all_active_interests():
    for temperature in (1.0, 0.3):
        positive, negative = mixture_scores(
            tf.constant(INTERESTS), tf.constant(MASK), tf.constant(TARGETS), tf.constant(NEGATIVES), temperature
        )
        for row in range(4):
            active = INTERESTS[row, MASK[row]]
            total = np.exp(active @ TARGETS[row] / temperature).sum()
            np.testing.assert_allclose(positive[row], temperature * np.log(total), rtol=1e-4)
            total = np.exp(active @ NEGATIVES.T / temperature).sum(axis=0)
            np.testing.assert_allclose(negative[row], temperature * np.log(total), rtol=1e-4)


def test_a_cold_mixture_is_the_maximum():
    arguments = (tf.constant(INTERESTS), tf.constant(MASK), tf.constant(TARGETS), tf.constant(NEGATIVES))
    for mixture, best in zip(mixture_scores(*arguments, temperature=1e-3), max_scores(*arguments), strict=True):
        np.testing.assert_allclose(mixture, best, atol=1e-3)
