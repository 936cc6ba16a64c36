"""Our models, trained on the windows as they are: every prefix in one pass."""

import argparse
import os
from collections.abc import Iterator
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

from benchmarks.peers.budget import arguments, main
from benchmarks.peers.data import Data, window_batches
from pipeline.config.run import load
from trainer.data.catalogue import Catalogue
from trainer.keras_api import keras
from trainer.models import registry
from trainer.training.lazy_adam import LazyAdam

PUBLISHED = {"read_out": "hard", "recency": False, "residual_projection": False, "dropout": 0.0}
"""Without what polyrec adds to the papers: what the peers' models are, too."""
PLAIN = {"normalize": False, "read_out": "max", "routing_temperature": None, "squash_power": 1.0, "variant": "paper"}
"""Scores and layers of the papers, where a model has the setting; the read-out is that of the variant."""


def settings_of(model: str, temperature: float, dimension: int, interests: int) -> Any:
    """The model's settings.

    Args:
      model: ``NAME`` (plain scores and layers), ``NAME:READ_OUT``, ``NAME:published`` or ``NAME:preset``
        (pipeline/presets).
      temperature: of the loss; a preset has its own, or the first guess of ``auto``.
      dimension: D.
      interests: K.

    Raises:
      InputError: there is no such preset.
    """
    name, _, variant = model.partition(":")
    kind = registry.settings_class(name)
    given: dict[str, Any] = {"temperature": temperature}
    given |= {key: value for key, value in PLAIN.items() if key in kind.model_fields}
    if variant == "preset":
        preset: Any = load(name).model
        given = preset.model_dump() | {"temperature": preset.temperatures[-1]}
    elif variant == "published":
        given |= PUBLISHED | ({"identity_start": False} if "identity_start" in kind.model_fields else {})
    elif variant:
        given["read_out"] = variant
    return kind(**given | {"dimension": dimension, "num_interests": interests})


Batch = dict[str, tf.Tensor]


class Polyrec:
    """A registered model; the option ``model`` is that of :func:`settings_of`."""

    def __init__(self, options: argparse.Namespace, data: Data) -> None:
        keras.utils.set_random_seed(options.seed)
        self._data, self._options = data, options
        settings = settings_of(options.model, options.temperature, options.dimension, options.interests)
        empty = np.zeros((data.num_items, 0), np.int32)
        catalogue = Catalogue([b""] * data.num_items, data.counts, empty, [])
        self._model = registry.get(settings.name)(
            settings, catalogue, data.history.shape[1], {}, options.negatives, options.seed
        )
        self._model.compile(optimizer=LazyAdam(options.learning_rate))
        self._step = tf.function(self._model.train_step, reduce_retracing=True)
        self._encode = tf.function(self._model.encode_last, reduce_retracing=True)

    def batches(self, batch_size: int) -> Iterator[Batch]:
        """Windows with their targets."""
        for history, targets in window_batches(self._data, batch_size, self._options.seed):
            yield _features(history) | {"targets": tf.constant(targets, tf.int64)}

    def step(self, batch: Batch) -> int:
        """See the protocol."""
        float(self._step(batch)["loss"])
        return int(np.count_nonzero(batch["targets"]))

    def interests(self, history: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See the protocol."""
        encoding = self._encode(_features(history))
        return encoding.interests[:, 0].numpy(), encoding.interest_mask[:, 0].numpy()

    def item_vectors(self) -> np.ndarray:
        """See the protocol."""
        return self._model.item_vectors().numpy()


def _features(history: np.ndarray) -> Batch:
    """Transformed features; the data has no times, so the gaps are zero."""
    items = tf.constant(history, tf.int64)
    return {
        "history": items, "history_mask": tf.cast(items > 0, tf.int64), "history_gap": tf.zeros(tf.shape(items)),
    }  # fmt: skip


if __name__ == "__main__":
    _options = arguments()
    tf.config.threading.set_intra_op_parallelism_threads(_options.threads)
    main(Polyrec, _options)
