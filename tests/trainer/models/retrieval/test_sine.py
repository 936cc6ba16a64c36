import numpy as np
import pytest
import tensorflow as tf
from pydantic import ValidationError

from trainer.losses.interest_regularisers import disagreement
from trainer.models import registry

SETTINGS = registry.settings_class("sine")


def _released_penalty(interests):
    """What SINE's released code adds, times its alpha: half, and the sum of the pairs' cosines over K (K - 1)."""
    unit = interests / np.linalg.norm(interests, axis=-1, keepdims=True)
    k = interests.shape[1]
    pairs = sum(np.sum(unit[:, i] * unit[:, j], axis=-1) for i in range(k) for j in range(i))
    return 0.5 + pairs / (k * (k - 1))


@pytest.mark.parametrize("k", [2, 3, 4, 8])
def test_the_penalty_of_the_released_code_is_the_disagreement_times_k_over_2_k_minus_1(k):
    """But for a number that no weight depends on: what docs/models/sine.md says about decorrelation and alpha."""
    interests = np.random.default_rng(k).normal(size=(5, k, 6))
    scaled = k / (2 * (k - 1)) * disagreement(tf.constant(interests, tf.float32), tf.ones((5, k), tf.bool)).numpy()
    rest = scaled - _released_penalty(interests)
    np.testing.assert_allclose(rest, np.full(5, rest[0]), atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [{"variant": "official"}, {"serve": "interests"}, {"attention_hidden": 256}],
)
def test_only_the_papers_form_shares_its_projection(options):
    assert SETTINGS(variant="paper", shared_projection=True).shared_projection
    with pytest.raises(ValidationError, match="shared_projection shares the D x D matrix W3"):
        SETTINGS(**{"variant": "paper", "shared_projection": True, **options})
