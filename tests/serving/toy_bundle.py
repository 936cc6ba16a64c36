"""Bundles of the toy model, built once a process and shared by the tests that only read them."""

import atexit
import functools
import os
import shutil
import tempfile
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from serving.publish.writer import build_bundle
from serving.settings import IndexSettings, ServingSettings
from serving.users import as_tensors
from tests.serving.toy_model import ITEM_IDS, USER_FEATURES, restated_encode, save_toy_model


class ToyBundle(NamedTuple):
    model_dir: str
    directory: str
    vectors: np.ndarray


@functools.cache
def toy_bundle(kind="scann", profile=False, ranking_temperature=None):
    folder = tempfile.mkdtemp(prefix="polyrec-toy-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    model_dir, directory = os.path.join(folder, "model"), os.path.join(folder, "bundle")
    vectors = save_toy_model(model_dir, USER_FEATURES if profile else {}, ranking_temperature=ranking_temperature)
    # Leaves are forced: the toy catalogue is small enough for ScaNN to score every vector otherwise.
    index = IndexSettings(kind=kind, num_leaves=10, leaves_to_search=8, max_k=400, exact_chunk=64)
    build_bundle(model_dir, directory, index, ServingSettings(default_k=7))
    return ToyBundle(model_dir, directory, vectors)


def recalls(directory, users, vectors, k):
    """The part of each user's exact list, by NumPy, that the saved model recommends."""
    history, times, _ = as_tensors(users, {})
    served = tf.saved_model.load(str(directory)).signatures["recommend"](
        history=history, history_time=times, exclude=tf.fill([len(users), 0], ""), exclude_history=tf.constant(False),
        k=tf.constant(k), diversity=tf.constant(0.0), allow=tf.constant([[""]]), deny=tf.constant([[""]]),
    )["item_ids"].numpy()  # fmt: skip
    result = []
    for user, given in zip(users, served, strict=True):
        interests, active, _ = restated_encode(user.history, vectors)
        best = np.argsort(-(interests[active] @ vectors.T).max(axis=0), kind="stable")[:k]
        result.append(np.isin([ITEM_IDS[row].encode() for row in best], given).mean())
    return result
