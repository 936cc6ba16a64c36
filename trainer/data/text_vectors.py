"""Text vectors of items on disk, with a description of their encoder.

A folder holds ``vectors-*.gz``, tf.Examples with ``item_id`` and ``text_vector``, of the items that have a text; and
``encoder/``, all that is needed to encode further texts in the same way, with its description in ``encoder.json``.
"""

import json
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from pydantic import ConfigDict, Field, ValidationError

from trainer.data import schema
from trainer.errors import InputError
from trainer.plain_paths import plain_path
from trainer.settings import Settings, first_problem

ENCODER = "encoder"
DESCRIPTION = "encoder.json"
VECTORS = "vectors-*.gz"
_BATCH = 1024


class EncoderDescription(Settings):
    """What of ``encoder.json`` everyone may rely on; the rest is the encoder's own.

    Attributes:
      encoder: its kind.
      fingerprint: SHA-256 of all that decides on a vector: equal ones make equal vectors of equal texts.
      dimension: E.
      settings: those of the section ``text`` that make the same encoder again.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    encoder: str
    fingerprint: str
    dimension: int
    settings: dict[str, Any] = Field(default_factory=dict)


def read_description(folder: str) -> EncoderDescription:
    """The description of the encoder in ``folder``.

    Raises:
      InputError: there is none, or it lacks something.
    """
    path = os.path.join(folder, DESCRIPTION)
    try:
        with tf.io.gfile.GFile(path) as file:
            return EncoderDescription(**json.loads(file.read()))
    except (tf.errors.OpError, ValidationError, ValueError, TypeError) as error:
        raise InputError(f"{path} does not describe a text encoder: {first_problem(error)}") from error


def read_vectors(directory: str, dimension: int) -> Iterator[tuple[list[bytes], npt.NDArray[np.float32]]]:
    """Batches of item ids, and their vectors float32 [B, E]."""
    spec = {
        schema.ITEM_ID: tf.io.FixedLenFeature([], tf.string),
        schema.TEXT_VECTOR: tf.io.FixedLenFeature([dimension], tf.float32),
    }
    files = sorted(tf.io.gfile.glob(os.path.join(plain_path(directory), VECTORS)))
    for serialized in tf.data.TFRecordDataset(files, compression_type="GZIP").batch(_BATCH):
        batch = tf.io.parse_example(serialized, spec)
        yield batch[schema.ITEM_ID].numpy().tolist(), batch[schema.TEXT_VECTOR].numpy()
