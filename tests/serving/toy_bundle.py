"""Bundles of the toy model, built once a process and shared by the tests that only read them."""

import atexit
import functools
import os
import shutil
import tempfile
from typing import NamedTuple

import numpy as np

from serving.bundle import build_bundle
from serving.settings import IndexSettings, ServingSettings
from tests.serving.toy_model import USER_FEATURES, save_toy_model


class ToyBundle(NamedTuple):
    model_dir: str
    directory: str
    vectors: np.ndarray


@functools.cache
def toy_bundle(kind="scann", profile=False):
    folder = tempfile.mkdtemp(prefix="polyrec-toy-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    model_dir, directory = os.path.join(folder, "model"), os.path.join(folder, "bundle")
    vectors = save_toy_model(model_dir, USER_FEATURES if profile else {})
    # Leaves are forced: the toy catalogue is small enough for ScaNN to score every vector otherwise.
    index = IndexSettings(kind=kind, num_leaves=10, leaves_to_search=8, max_k=400, exact_chunk=64)
    build_bundle(model_dir, directory, index, ServingSettings(default_k=7))
    return ToyBundle(model_dir, directory, vectors)
