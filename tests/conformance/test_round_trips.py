"""Every Keras layer that a model holds can be made again from what it says of itself."""

import inspect
import json

import numpy as np
import pytest
import tensorflow as tf

from tests.conformance import models, profile_models
from trainer.keras_api import keras


def _own_layers(model):
    """The layers of this project, nested ones too; one with a leading underscore is made by its owner alone."""
    layers = model._flatten_layers(include_self=False)
    return [x for x in layers if type(x).__module__.startswith("trainer.") and not type(x).__name__.startswith("_")]


EVERY = [
    (kind, *which)
    for kind, every in ((models, models.ENCODERS), (profile_models, profile_models.PROFILES))
    for which in every
]


@pytest.mark.parametrize(("kind", "name", "option"), EVERY, ids=["-".join(which[1:]) for which in EVERY])
def test_get_config(kind, name, option, monkeypatch):
    """A twin made from the JSON of the configuration, with the same weights, says the same of the same inputs."""
    model = kind.built(name, option)
    layers, calls = _own_layers(model), {}
    assert layers
    for layer in layers:

        def recorded(*args, _layer=layer, _call=layer.call, **kwargs):
            calls.setdefault(id(_layer), (args, kwargs))
            return _call(*args, **kwargs)

        monkeypatch.setattr(layer, "call", recorded)
    model.compute_loss(kind.batch())
    monkeypatch.undo()
    for layer in layers:
        config = layer.get_config()
        own = inspect.signature(type(layer).__init__).parameters if "__init__" in vars(type(layer)) else {}
        # Large tables are weights, which a configuration does not hold.
        assert set(own) - {"self", "kwargs", "texts"} <= set(config), layer.name
        twin = keras.layers.deserialize(json.loads(json.dumps(keras.layers.serialize(layer))))
        assert type(twin) is type(layer)
        assert json.dumps(twin.get_config()) == json.dumps(config)
        if id(layer) in calls:
            args, kwargs = calls[id(layer)]
            twin(*args, **kwargs)
            twin.set_weights(layer.get_weights())
            for one, two in zip(
                tf.nest.flatten(layer(*args, **kwargs)), tf.nest.flatten(twin(*args, **kwargs)), strict=True
            ):
                np.testing.assert_allclose(np.float32(one), np.float32(two), rtol=1e-5, atol=1e-6)
    assert calls
