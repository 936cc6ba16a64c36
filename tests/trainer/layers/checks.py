"""What every layer's test checks the same way."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from trainer.keras_api import keras


def check_config_round_trip(layer: Any) -> Any:
    """A layer made from its own configuration has the same one; returns the copy."""
    copy = keras.layers.deserialize(keras.layers.serialize(layer))
    assert type(copy) is type(layer)
    assert copy.get_config() == layer.get_config()
    return copy


def check_save_and_load(layer: Any, call: Callable[..., Any], inputs: list[tf.Tensor], directory: Any) -> None:
    """A SavedModel of the layer answers as the layer does."""
    module = tf.Module()
    module.layer = layer
    module.call = tf.function(call)
    expected = tf.nest.flatten(module.call(*inputs))
    tf.saved_model.save(module, str(directory))
    loaded = tf.saved_model.load(str(directory))
    for one, other in zip(expected, tf.nest.flatten(loaded.call(*inputs)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
