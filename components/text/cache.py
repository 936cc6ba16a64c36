"""Cache of encoded texts, keyed by text and encoder."""

import hashlib
import os
import uuid
from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from trainer.data.text_vectors import VECTORS, read_vectors
from trainer.plain_paths import plain_path


def key_of(text: str) -> bytes:
    """The name of a text: its SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest().encode()


class TextCache:
    """The vectors of one encoder: files of a format with trainer/data/text_vectors.py, the ids being keys of texts.

    A file appears whole or not at all, and none is ever changed; two runs at once at worst encode a text twice.

    Args:
      root: folder of all encoders.
      fingerprint: of this one.
      dimension: E.
    """

    def __init__(self, root: str, fingerprint: str, dimension: int) -> None:
        self.folder, self._dimension = os.path.join(root, fingerprint), dimension

    def look_up(self, keys: Collection[bytes]) -> dict[bytes, npt.NDArray[np.float32]]:
        """The vectors [E] of those of ``keys`` that are kept."""
        wanted = set(keys)
        found: dict[bytes, npt.NDArray[np.float32]] = {}
        if tf.io.gfile.exists(self.folder):
            for kept, vectors in read_vectors(self.folder, self._dimension):
                found |= {key: vector for key, vector in zip(kept, vectors, strict=True) if key in wanted}
        return found

    def staging(self) -> str:
        """A new folder for files that are still being written."""
        folder = os.path.join(self.folder, f".partial-{uuid.uuid4().hex}")
        tf.io.gfile.makedirs(folder)
        return plain_path(folder)

    def adopt(self, staging: str) -> None:
        """Makes the finished files of ``staging`` part of the cache."""
        name, end = VECTORS.split("*")
        for path in sorted(tf.io.gfile.glob(os.path.join(staging, "*"))):
            tf.io.gfile.rename(path, os.path.join(self.folder, f"{name}{uuid.uuid4().hex}{end}"))
        tf.io.gfile.rmtree(staging)
