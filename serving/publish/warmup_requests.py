"""Warm-up requests of a version: every signature, alone and in a batch."""

import os
from collections.abc import Sequence
from typing import Protocol

import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from serving.families.base import Family, Request
from trainer.data import schema

WARMUP_REQUESTS = "assets.extra/tf_serving_warmup_requests"
BATCH_SIZES = (1, 32)

_K = 20
_TIME = 1_700_000_000


class Description(Protocol):
    """What has to be known of the model."""

    @property
    def user_features(self) -> dict[str, str]:
        """Profile feature -> ``categorical`` or ``numeric``."""

    @property
    def max_history(self) -> int:
        """T."""


def write_warmup_requests(
    version_dir: str,
    model_name: str,
    family: Family,
    ids: Sequence[bytes],
    description: Description,
    filters: Sequence[bytes] = (),
) -> None:
    """Writes a TFRecord file of PredictionLog messages, where TensorFlow Serving looks for it.

    Args:
      version_dir: the folder of the version.
      model_name: the name the model is served under.
      family: of the model.
      ids: what the index holds; histories are cut from them.
      description: the profile features and T.
      filters: values that requests may filter items by.
    """
    path = os.path.join(version_dir, WARMUP_REQUESTS)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with tf.io.TFRecordWriter(path) as writer:
        for batch in BATCH_SIZES:
            for signature, inputs in _inputs(batch, family, ids, description, filters):
                request = predict_pb2.PredictRequest()
                request.model_spec.name = model_name
                request.model_spec.signature_name = signature
                for name, value in inputs.items():
                    request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
                log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
                writer.write(log.SerializeToString())


def _inputs(
    batch: int, family: Family, ids: Sequence[bytes], description: Description, filters: Sequence[bytes]
) -> list[Request]:
    length = min(description.max_history, len(ids))
    histories = [[ids[(row + i) % len(ids)] for i in range(length)] for row in range(batch)]
    user = {
        schema.HISTORY: tf.constant(histories),
        schema.HISTORY_TIME: tf.fill([batch, length], tf.cast(_TIME, tf.int64)),
    }
    for name, kind in description.user_features.items():
        user[schema.user_feature(name)] = tf.fill([batch, 1], "" if kind == "categorical" else float("nan"))
    examples = tf.constant([_example(history) for history in histories])
    return family.warmup(user, examples, histories, tf.constant(min(_K, len(ids))), filters)


def _example(history: Sequence[bytes]) -> bytes:
    features = {
        schema.HISTORY: tf.train.Feature(bytes_list=tf.train.BytesList(value=history)),
        schema.HISTORY_TIME: tf.train.Feature(int64_list=tf.train.Int64List(value=[_TIME] * len(history))),
    }
    serialized: bytes = tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()
    return serialized
