"""Our models, trained on the windows as they are: every prefix in one pass."""

import argparse
import os
from collections.abc import Iterator
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

import trainer.keras_api  # noqa: F401  (decides on Keras before TensorFlow is imported)
from benchmarks.peers.budget import arguments, main
from benchmarks.peers.data import Data, window_batches
from trainer.catalogue import Catalogue
from trainer.keras_api import keras
from trainer.lazy_adam import LazyAdam
from trainer.models import registry

PUBLISHED = {"read_out": "hard", "recency": False, "residual_projection": False, "dropout": 0.0}
"""Without what polyrec adds to the papers: what the peers' models are, too."""

Batch = dict[str, tf.Tensor]


class Polyrec:
    """A registered model; the option ``model`` is ``NAME`` (defaults), ``NAME:READ_OUT`` or ``NAME:published``."""

    def __init__(self, options: argparse.Namespace, data: Data) -> None:
        keras.utils.set_random_seed(options.seed)
        self._data, self._options = data, options
        name, _, read_out = options.model.partition(":")
        settings: dict[str, Any] = {"dimension": options.dimension, "num_interests": options.interests}
        settings |= {"temperature": options.temperature} | (
            PUBLISHED if read_out == "published" else {"read_out": read_out} if read_out else {}
        )
        if read_out == "published" and "identity_start" in registry.settings_class(name).model_fields:
            settings["identity_start"] = False
        empty = np.zeros((data.num_items, 0), np.int32)
        catalogue = Catalogue([b""] * data.num_items, data.counts, empty, [])
        self._model = registry.get(name)(
            registry.settings_class(name)(**settings), catalogue, data.history.shape[1], {}, options.negatives,
            options.seed,
        )  # fmt: skip
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
