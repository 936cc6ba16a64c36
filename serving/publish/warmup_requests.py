"""Warm-up requests of a version: every signature, alone and in a batch."""

import os
from collections.abc import Sequence
from typing import Protocol

import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from serving.bundle.signatures import EXPLAIN, RECOMMEND, SERVING_DEFAULT, TAG_PROFILE, TAG_SCORES, USER_INTERESTS
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

    @property
    def tasks(self) -> list[str]:
        """Of a model of profiles; empty for a model that retrieves items."""


def write_warmup_requests(
    version_dir: str, model_name: str, ids: Sequence[bytes], description: Description, filters: Sequence[bytes] = ()
) -> None:
    """Writes a TFRecord file of PredictionLog messages, where TensorFlow Serving looks for it.

    Args:
      version_dir: the folder of the version.
      model_name: the name the model is served under.
      ids: what the index holds: items, of which histories are cut, or tags.
      description: the profile features and T.
      filters: values that requests may filter items by.
    """
    path = os.path.join(version_dir, WARMUP_REQUESTS)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with tf.io.TFRecordWriter(path) as writer:
        for batch in BATCH_SIZES:
            for signature, inputs in _inputs(batch, ids, description, filters):
                request = predict_pb2.PredictRequest()
                request.model_spec.name = model_name
                request.model_spec.signature_name = signature
                for name, value in inputs.items():
                    request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
                log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
                writer.write(log.SerializeToString())


def _inputs(
    batch: int, ids: Sequence[bytes], description: Description, filters: Sequence[bytes]
) -> list[tuple[str, dict[str, tf.Tensor]]]:
    length = min(description.max_history, len(ids))
    histories = [[ids[(row + i) % len(ids)] for i in range(length)] for row in range(batch)]
    user = {
        schema.HISTORY: tf.constant(histories),
        schema.HISTORY_TIME: tf.fill([batch, length], tf.cast(_TIME, tf.int64)),
    }
    for name, kind in description.user_features.items():
        user[schema.user_feature(name)] = tf.fill([batch, 1], "" if kind == "categorical" else float("nan"))
    request = {
        "exclude": tf.fill([batch, 1], ""),
        "exclude_history": tf.constant(True),
        "k": tf.constant(min(_K, len(ids))),
        "diversity": tf.constant(0.0),
    }
    examples = tf.constant([_example(history) for history in histories])
    if description.tasks:  # the items of the histories are none of its items, but the graph is the same
        return [
            (TAG_PROFILE, {**user, "k": request["k"]}),
            (TAG_SCORES, {**user, "tags": tf.constant(histories)}),
            (SERVING_DEFAULT, {"examples": examples}),
        ]
    # What has a default is left out, as by a client that knows nothing of filters.
    filtered = [(RECOMMEND, {**user, **request, "allow": tf.constant([filters[:1]])})] if filters else []
    return [
        (RECOMMEND, user | request),
        *filtered,
        (SERVING_DEFAULT, {"examples": examples}),
        (USER_INTERESTS, user),
        (EXPLAIN, {**user, "items": tf.constant(histories)}),
    ]


def _example(history: Sequence[bytes]) -> bytes:
    features = {
        schema.HISTORY: tf.train.Feature(bytes_list=tf.train.BytesList(value=history)),
        schema.HISTORY_TIME: tf.train.Feature(int64_list=tf.train.Int64List(value=[_TIME] * len(history))),
    }
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()
