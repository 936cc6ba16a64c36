"""Items and users to measure an index with: made-up clusters, and a model trained on a made-up log."""

import os
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

from benchmarks.serving.problem import DIMENSION, INTERESTS, Problem
from trainer.data.catalogue import Catalogue
from trainer.models.retrieval.comirec import ComiRecSA, ComiRecSASettings
from trainer.settings import TrainingSettings
from trainer.training.loop import fit

ITEMS_IN_A_CLUSTER = 200
_T, _CLUSTERS_OF_A_USER = 50, 4


def clustered(items: int, users: int) -> Problem:
    """Clusters of 200 items with noise half as large as a cluster's distance, and lengths that vary.

    An item's length is multiplied by a log-normal factor (sigma 0.25): the largest of a million is ten times the
    smallest. A user's interests are of the clusters, with the same noise.
    """
    random = np.random.default_rng(0)
    centres = random.normal(size=(max(items // ITEMS_IN_A_CLUSTER, 10), DIMENSION)).astype(np.float32)

    def around(count: int) -> np.ndarray:
        noise = random.normal(size=(count, DIMENSION)).astype(np.float32)
        return centres[random.integers(0, len(centres), count)] + 0.5 * noise

    lengths = np.exp(0.25 * random.normal(size=(items, 1))).astype(np.float32)
    return Problem.of(around(items) * lengths, around(users * INTERESTS).reshape(users, INTERESTS, DIMENSION))


def trained(items: int, users: int, targets_an_item: int = 8) -> Problem:
    """The item vectors of ComiRec-SA after training on a made-up log, and the interests of users it did not see.

    A user of the log has four clusters of items; of each cluster the items are the rarer the higher their number, as in
    a real log (log-uniform). The settings are those of the preset ``synthetic``.
    """
    catalogue = Catalogue([b""] * items, np.linspace(8, 1, items).astype(np.int64), np.zeros((items, 0), np.int32), [])
    settings = TrainingSettings(batch_size=max(128, items // 2000), evaluate_every=10**6, seed=1)
    steps = max(targets_an_item * items // (settings.batch_size * _T), 300)
    settings = settings.model_copy(update={"max_steps": steps})
    model_settings = ComiRecSASettings(
        name="comirec_sa", dimension=DIMENSION, read_out="mixture", normalize=True, temperature=0.15
    )
    model = ComiRecSA(model_settings, catalogue, _T, {}, settings.num_negatives, settings.seed)
    with tempfile.TemporaryDirectory() as folder:
        fit(model, _windows(items, settings.batch_size), _histories(items, 64), settings, folder)
    batches = _histories(items, users).unbatch().batch(64)
    interests = [model.encode_last(batch).interests[:, 0].numpy() for batch in batches]
    return Problem.of(model.item_vectors().numpy(), np.concatenate(interests))


def _clicks(items: int, users: int, seed: tf.Tensor) -> tf.Tensor:
    """Made-up clicks of users, int64 [users, T + 1], 1 + item."""
    clusters = max(items // ITEMS_IN_A_CLUSTER, 10)
    members = items // clusters
    seeds = tf.unstack(tf.random.split(tf.cast(seed, tf.int32), 3))
    own = tf.random.stateless_uniform([users, _CLUSTERS_OF_A_USER], seeds[0], 0, clusters, tf.int64)
    which = tf.random.stateless_uniform([users, _T + 1], seeds[1], 0, _CLUSTERS_OF_A_USER, tf.int32)
    rank = tf.exp(tf.random.stateless_uniform(which.shape, seeds[2], 0.0, np.log(members + 1)))
    # Numbered by rank first: the lower the number, the more frequent, as the sampler of negatives expects.
    rank = tf.clip_by_value(tf.cast(rank, tf.int64) - 1, 0, members - 1)
    return rank * clusters + tf.gather(own, which, batch_dims=1) + 1


def _features(history: tf.Tensor, targets: tf.Tensor) -> dict[str, tf.Tensor]:
    return {
        "history": history,
        "history_mask": tf.ones_like(history),
        "history_gap": tf.zeros_like(history, tf.float32),
        "targets": targets,
    }


def _windows(items: int, batch: int) -> tf.data.Dataset:
    def window(number: tf.Tensor) -> dict[str, tf.Tensor]:
        clicks = _clicks(items, batch, tf.stack([1, number]))
        return _features(clicks[:, :-1], clicks[:, 1:])

    return tf.data.Dataset.range(2**31 - 1).map(window).prefetch(2)


def _histories(items: int, users: int) -> tf.data.Dataset:
    clicks = _clicks(items, users, tf.constant([2, 0], tf.int64))
    return tf.data.Dataset.from_tensors(_features(clicks[:, :-1], clicks[:, -1:] - 1))
