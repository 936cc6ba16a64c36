import numpy as np
import pytest
import tensorflow as tf

from trainer.keras_api import keras
from trainer.losses.covariance import CovarianceRegularizer, covariance_penalty


def test_by_hand():
    """Covariances of (1, -1), (2, -2), (3, 3): of the first two (1 * 2 + 1 * 2) / 2 = 2, of the others 0."""
    prototypes = tf.constant([[1.0, -1.0], [2.0, -2.0], [3.0, 3.0]])
    assert float(covariance_penalty(prototypes)) == pytest.approx(2.0**2)


def test_against_numpy():
    prototypes = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    covariance = np.cov(prototypes, bias=True)
    expected = (covariance**2).sum() / 2 - (np.diag(covariance) ** 2).sum() / 2
    np.testing.assert_allclose(covariance_penalty(tf.constant(prototypes)), expected, rtol=1e-5)


def test_the_regulariser_is_weighted_and_survives_its_configuration():
    regularizer = keras.regularizers.deserialize(keras.regularizers.serialize(CovarianceRegularizer(0.5)))
    assert float(regularizer(tf.constant([[1.0, -1.0], [2.0, -2.0]]))) == pytest.approx(2.0)


def test_bad_weight():
    with pytest.raises(ValueError, match="Received: -1"):
        CovarianceRegularizer(-1.0)
