"""How every retrieval model is trained."""

import numpy as np
import tensorflow as tf

from tests.conformance.models import batch, built
from trainer.data.sequences import one_prefix_a_row
from trainer.training.step import total_loss


def test_gradients_reach_every_weight(learner):
    """Of what is minimised: dropout and noise apply, and what layers and regularisers add counts.

    Among one interest there is nothing to choose: weights that only choose have a gradient of zero then.
    """
    choice = learner.settings.num_interests > 1 or learner.name == "two_tower"
    with tf.GradientTape() as tape:
        loss = total_loss(learner, batch())
    for weights, gradient in zip(
        learner.trainable_weights, tape.gradient(loss, learner.trainable_weights), strict=True
    ):
        assert gradient is not None, weights.name
        assert np.isfinite(tf.convert_to_tensor(gradient)).all(), weights.name
        assert not choice or np.abs(tf.convert_to_tensor(gradient)).max() > 0, weights.name


def test_all_prefixes_at_once_are_the_prefixes_one_by_one(learner):
    rows = one_prefix_a_row(batch())
    np.testing.assert_allclose(learner.compute_loss(batch()), learner.compute_loss(rows), rtol=1e-5)


def test_the_loss_against_numpy(learner):
    """Full softmax (1,280 negatives of 40 items) over the best interest of each candidate, or all of them together."""
    if learner.settings.negatives != "log_uniform":
        learner = built(learner.settings.name, "cosine")
    given = batch()
    encoding = learner.encode_all_prefixes(given)
    vectors = learner.item_vectors().numpy()
    losses = []
    for row, position in zip(*np.nonzero(given["targets"].numpy()), strict=True):
        target = int(given["targets"][row, position]) - 1
        interests = encoding.interests[row, position].numpy()[encoding.interest_mask[row, position].numpy()]
        if learner.settings.read_out == "hard":
            interests = interests[[np.argmax(interests @ vectors[target])]]
        scores = interests @ vectors.T / learner.settings.temperature
        scores = np.logaddexp.reduce(scores) if learner.settings.read_out == "mixture" else scores.max(axis=0)
        losses.append(np.log(np.exp(scores - scores.max()).sum()) + scores.max() - scores[target])
    np.testing.assert_allclose(learner.compute_loss(given), np.mean(losses), rtol=1e-4)
