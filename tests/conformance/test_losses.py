"""How every registered model is trained."""

import numpy as np
import tensorflow as tf

from tests.conformance.models import batch, built
from trainer.training_step import total_loss


def test_gradients_reach_every_weight(model):
    """Of what is minimised: dropout and noise apply, and what layers and regularisers add counts.

    Among one interest there is nothing to choose: weights that only choose have a gradient of zero then.
    """
    choice = model.settings.num_interests > 1 or model.name == "two_tower"
    with tf.GradientTape() as tape:
        loss = total_loss(model, batch())
    for weights, gradient in zip(model.trainable_weights, tape.gradient(loss, model.trainable_weights), strict=True):
        assert gradient is not None, weights.name
        assert np.isfinite(tf.convert_to_tensor(gradient)).all(), weights.name
        assert not choice or np.abs(tf.convert_to_tensor(gradient)).max() > 0, weights.name


def test_the_loss_against_numpy(model):
    """Full softmax (1,280 negatives of 40 items) over the best interest of each candidate."""
    if model.settings.negatives != "log_uniform":
        model = built(model.settings.name, "cosine")
    given = batch()
    encoding = model.encode_all_prefixes(given)
    vectors = model.item_vectors().numpy()
    losses = []
    for row, position in zip(*np.nonzero(given["targets"].numpy()), strict=True):
        target = int(given["targets"][row, position]) - 1
        interests = encoding.interests[row, position].numpy()[encoding.interest_mask[row, position].numpy()]
        if model.settings.read_out == "hard":
            interests = interests[[np.argmax(interests @ vectors[target])]]
        scores = (interests @ vectors.T).max(axis=0)
        scores = scores / model.settings.temperature
        losses.append(np.log(np.exp(scores - scores.max()).sum()) + scores.max() - scores[target])
    np.testing.assert_allclose(model.compute_loss(given), np.mean(losses), rtol=1e-4)
