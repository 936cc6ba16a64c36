import math

import numpy as np
import pytest
import tensorflow as tf

from trainer.losses.contrastive import contrastive_loss

RANDOM = np.random.default_rng(0)
BEFORE, AFTER = RANDOM.normal(size=(2, 4, 3))


@pytest.mark.parametrize("groups", [[0, 1, 2, 3], [5, 1, 5, 3]])
def test_against_numpy(groups):
    losses = []
    for i in range(4):
        others = [j for j in range(4) if j == i or groups[j] != groups[i]]
        scores = [math.exp(BEFORE[i] @ AFTER[j] / 0.5) for j in others]
        losses.append(-math.log(math.exp(BEFORE[i] @ AFTER[i] / 0.5) / sum(scores)))
    loss = contrastive_loss(tf.constant(BEFORE), tf.constant(AFTER), tf.constant(groups), 0.5)
    np.testing.assert_allclose(loss, np.mean(losses), rtol=1e-4)


def test_one_pair_none_and_a_bad_temperature():
    one = tf.ones([1, 3])
    assert float(contrastive_loss(one, one, tf.zeros(1, tf.int64))) == 0
    none = tf.zeros([0, 3])
    with tf.GradientTape() as tape:
        tape.watch(none)
        loss = contrastive_loss(none, none, tf.zeros(0, tf.int64))
    assert float(loss) == 0
    assert tape.gradient(loss, none).shape == (0, 3)
    with pytest.raises(ValueError, match="Received: 0"):
        contrastive_loss(one, one, tf.zeros(1, tf.int64), 0)


def test_gradients_are_finite_with_repeated_pairs():
    before = tf.constant(BEFORE)
    with tf.GradientTape() as tape:
        tape.watch(before)
        loss = contrastive_loss(before, tf.constant(AFTER), tf.zeros(4, tf.int64))
    assert float(loss) == 0
    assert np.isfinite(tape.gradient(loss, before)).all()
