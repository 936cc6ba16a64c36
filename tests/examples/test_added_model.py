"""What the model of examples/add_a_model.py computes, against a GRU written out."""

import importlib

import numpy as np
import pytest
import tensorflow as tf

from tests.conformance import models
from trainer.layers.history.masking import all_positions
from trainer.models import registry


@pytest.fixture
def gru4rec(monkeypatch):
    """The model, registered for one test: others count the models."""
    registry.names()
    monkeypatch.setattr(registry, "_models", dict(registry._models))
    module = importlib.reload(importlib.import_module("examples.add_a_model"))
    models.built.cache_clear()
    yield module.GRU4Rec
    models.built.cache_clear()


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _states(cell, items):
    """h after each item [T, D], by the equations of docs/write-a-model.md."""
    kernel, recurrent, bias = (weights.numpy() for weights in cell.weights)
    width = recurrent.shape[0]
    state, found = np.zeros(width), []
    for item in items:
        given, kept = item @ kernel + bias[0], state @ recurrent + bias[1]
        update, reset = (_sigmoid((given + kept)[part * width : (part + 1) * width]) for part in (0, 1))
        new = np.tanh(given[2 * width :] + reset * kept[2 * width :])
        state = update * state + (1 - update) * new
        found.append(state)
    return np.array(found)


def test_every_prefix_has_the_state_after_it_and_the_mean_of_its_items(gru4rec):
    model = models.built("gru4rec", "bare")
    assert type(model) is gru4rec
    given = models.batch()
    mask = given["history_mask"].numpy()
    items = model.history_vectors(given, model.looked_up(given), training=False)
    queries = all_positions(given["history_mask"])
    vectors, active, weights = model.extract(items, given["history_mask"], queries, None, training=False)
    for row, length in enumerate(models.LENGTHS):
        states = _states(model.gru.cell, items[row].numpy())
        for query in range(length):
            expected = states[query] + items[row].numpy()[: query + 1].mean(axis=0)
            np.testing.assert_allclose(vectors[row, query, 0], expected, rtol=1e-4, atol=1e-6)
            np.testing.assert_allclose(weights[row, query, 0], mask[row] * (np.arange(7) <= query) / (query + 1))
    assert active.numpy().all()


def test_an_order_is_a_history_of_its_own(gru4rec):
    model = models.built("gru4rec", "bare")
    given = models.batch()
    swapped = {**given, "history": tf.concat([given["history"][:, 1::-1], given["history"][:, 2:]], axis=1)}
    one, two = (model.encode_last(features).interests[0] for features in (given, swapped))
    assert np.abs(one - two).max() > 1e-4
