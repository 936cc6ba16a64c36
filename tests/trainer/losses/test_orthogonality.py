import math

import numpy as np
import pytest
import tensorflow as tf

from trainer.keras_api import keras
from trainer.losses.orthogonality import OrthogonalityRegularizer, orthogonality


def test_by_hand():
    """Of C orthogonal vectors each is told from C - 1 others whose cosine is 0; equal ones not at all."""
    np.testing.assert_allclose(orthogonality(7 * tf.eye(3), 0.5), math.log(1 + 2 * math.exp(-2)), rtol=1e-5)
    np.testing.assert_allclose(orthogonality(tf.ones([5, 3])), math.log(5), rtol=1e-5)


def test_against_numpy():
    vectors = np.random.default_rng(0).normal(size=(4, 3))
    losses = []
    for i in range(4):
        cosines = [a @ vectors[i] / np.linalg.norm(a) / np.linalg.norm(vectors[i]) for a in vectors]
        losses.append(math.log(sum(math.exp(cosine / 0.1) for cosine in cosines)) - 10)
    np.testing.assert_allclose(orthogonality(tf.constant(vectors)), np.mean(losses), rtol=1e-5)
    np.testing.assert_allclose(OrthogonalityRegularizer(2.0)(tf.constant(vectors)), 2 * np.mean(losses), rtol=1e-5)


def test_config_and_bad_arguments():
    regularizer = OrthogonalityRegularizer(0.5, 0.2)
    copy = keras.regularizers.deserialize(keras.regularizers.serialize(regularizer))
    assert copy.get_config() == {"weight": 0.5, "temperature": 0.2}
    with pytest.raises(ValueError, match="Received: -1"):
        OrthogonalityRegularizer(-1)
