"""deepmatch's MIND and ComiRec (self-attention), in its own environment.

All is the library's, its sampled softmax included. Its "frequency" sampler draws from given counts: log-uniform ones
make it the distribution that everyone else draws from. As in the library's examples, Keras runs a static graph. The
label-aware attention is hard (p 100, the default), there is no weight decay (the default would touch the whole table
at every step), and the user's network is one layer of width D.
"""

import argparse
import os
from collections.abc import Iterator

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from deepctr.feature_column import SparseFeat, VarLenSparseFeat
from deepmatch.models import MIND, ComiRec
from deepmatch.utils import NegativeSampler, sampledsoftmaxloss

from benchmarks.peers.budget import arguments, main
from benchmarks.peers.data import Data, row_batches

Batch = tuple[list[np.ndarray], np.ndarray]


class DeepMatch:
    """A compiled Keras model of the library."""

    def __init__(self, options: argparse.Namespace, data: Data) -> None:
        tf.keras.backend.clear_session()
        tf.keras.utils.set_random_seed(options.seed)
        self._data, self._options = data, options
        size, width, length = data.num_items + 1, options.dimension, data.history.shape[1]
        item = SparseFeat("item", size, width, embeddings_initializer=_initializer(options))
        history = SparseFeat(
            "hist_item", size, width, embedding_name="item", embeddings_initializer=_initializer(options)
        )
        place = np.arange(1, size)
        counts = np.concatenate([[1], np.round(1e9 * np.log1p(1 / place))])
        build = {"mind": MIND, "comirec_sa": ComiRec}[options.model]
        self._model = build(
            [VarLenSparseFeat(history, length, "mean", "hist_len")],
            [item],
            k_max=options.interests,
            user_dnn_hidden_units=(width,),
            l2_reg_embedding=0,
            sampler_config=NegativeSampler("frequency", options.negatives, "item", counts),
        )
        optimizer = tf.keras.optimizers.legacy.Adam(options.learning_rate)
        self._model.compile(optimizer, sampledsoftmaxloss)
        self._user = tf.keras.Model(self._model.user_input, self._model.user_embedding)
        self._item = tf.keras.Model(self._model.item_input, self._model.item_embedding)

    def batches(self, batch_size: int) -> Iterator[Batch]:
        """Inputs (history [B, T], length [B], target [B]) and the labels that the loss ignores."""
        for history, length, target in row_batches(self._data, batch_size, self._options.seed):
            yield [history, length, target], np.zeros(batch_size, np.float32)

    def step(self, batch: Batch) -> int:
        """See the protocol."""
        inputs, labels = batch
        self._model.train_on_batch(inputs, labels)
        return len(labels)

    def interests(self, history: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See the protocol."""
        users = self._user.predict_on_batch([history, np.count_nonzero(history, axis=1).astype(np.int32)])
        return users, np.ones(users.shape[:2], bool)

    def item_vectors(self) -> np.ndarray:
        """See the protocol."""
        return self._item.predict(np.arange(1, self._data.num_items + 1, dtype=np.int32), batch_size=4096, verbose=0)


def _initializer(options: argparse.Namespace) -> tf.keras.initializers.Initializer:
    return tf.keras.initializers.RandomNormal(stddev=options.initial_stddev, seed=options.seed)


if __name__ == "__main__":
    _options = arguments()
    tf.compat.v1.disable_eager_execution()
    tf.config.threading.set_intra_op_parallelism_threads(_options.threads)
    main(DeepMatch, _options)
