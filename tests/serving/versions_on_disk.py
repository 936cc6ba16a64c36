"""A small real SavedModel with the signatures of a bundle, and version folders made of it in no time.

The answers name the version: it stands in an asset, so that a new version is a copy with another line of text.
"""

import atexit
import functools
import os
import shutil
import tempfile
from pathlib import Path

from serving.bundle import manifest
from serving.runtime.protos import predict_pb2, prediction_log_pb2, tf

MODEL = "shop"
FIELDS = {
    "model": "comirec_sa",
    "created": "2024-01-01T00:00:00+00:00",
    "fingerprint": {"vocabulary": "1" * 64, "tower": "2" * 64, "index": "3" * 64},
    "kind": "exact",
    "items": 50,
    "dimension": 2,
    "interests": 3,
    "default_k": 3,
}
CATALOGUE = 50


class SmallModel(tf.Module):
    """Recommends "v<version>-0", "v<version>-1" ... with scores 0, -1 ...; not what a user would like."""

    def __init__(self, version_file):
        super().__init__()
        initializer = tf.lookup.TextFileInitializer(
            version_file, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE
        )
        self.version = tf.lookup.StaticHashTable(initializer, "?")
        self.calls = tf.Variable(0, dtype=tf.int64)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None], tf.string, name="history"),
            tf.TensorSpec([None, None], tf.int64, name="history_time"),
            tf.TensorSpec([None, None], tf.string, name="user_city"),
            tf.TensorSpec([None, None], tf.float32, name="user_age"),
            tf.TensorSpec([None, None], tf.string, name="exclude"),
            tf.TensorSpec([], tf.bool, name="exclude_history"),
            tf.TensorSpec([], tf.int32, name="k"),
            tf.TensorSpec([], tf.float32, name="diversity"),
        ]
    )
    def recommend(self, history, history_time, user_city, user_age, exclude, exclude_history, k, diversity):
        # Behind the assertion, or the error of tf.range may come first.
        with tf.control_dependencies([tf.debugging.assert_greater(k, 0, "k has to be at least 1")]):
            k = tf.identity(k)
        batch = tf.shape(history)[0]
        rank = tf.range(k)
        name = tf.strings.join(["v", self.version.lookup(tf.constant(0, tf.int64)), "-"])
        ids = tf.where(rank < CATALOGUE, tf.strings.join([name, tf.strings.as_string(rank)]), "")
        age = tf.where(tf.math.is_nan(user_age[:, :1]), 0.0, user_age[:, :1])
        seen = tf.strings.reduce_join(history, 1, separator=",", keepdims=True)
        without = tf.strings.reduce_join(exclude, 1, separator=",", keepdims=True)
        because = tf.strings.join([seen, user_city[:, :1], without], "|")
        return {
            "item_ids": tf.tile(ids[tf.newaxis], [batch, 1]),
            "scores": tf.tile(-tf.cast(rank, tf.float32)[tf.newaxis], [batch, 1]) - diversity + age,
            "interest": tf.tile(rank[tf.newaxis] % 3, [batch, 1]),
            "because": tf.tile(because, [1, k]),
            "valid": tf.tile(rank[tf.newaxis] < CATALOGUE, [batch, 1]),
            "fallback": tf.reduce_all(history == "", 1) | (exclude_history & (tf.reduce_max(history_time, 1) == 7)),
        }

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serving_default(self, examples):
        return {"length": tf.strings.length(examples)}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None], tf.string, name="history"),
            tf.TensorSpec([None, None], tf.int64, name="history_time"),
        ]
    )
    def user_interests(self, history, history_time):
        batch = tf.shape(history)[0]
        vectors = tf.reshape(tf.range(6, dtype=tf.float32), [1, 3, 2])
        return {
            "interests": tf.tile(vectors, [batch, 1, 1]),
            "interest_mask": tf.tile([[True, False, True]], [batch, 1]),
        }

    @tf.function(input_signature=[tf.TensorSpec([], tf.int64, name="by")])
    def count(self, by):
        return {"calls": self.calls.assign_add(by)}

    @tf.function(input_signature=[tf.TensorSpec([], tf.string, name="file")])
    def until_file(self, file):
        """Runs until there is such a file; ten minutes at most, for a test that failed."""
        end = tf.timestamp() + 600.0
        missing = lambda i: (tf.size(tf.io.matching_files(file)) == 0) & (tf.timestamp() < end)  # noqa: E731
        return {"turns": tf.while_loop(missing, lambda i: [i + 1], [tf.constant(0)])[0]}

    @tf.function(
        input_signature=[
            tf.TensorSpec(None, dtype, name=dtype.name)
            for dtype in (
                *(tf.float32, tf.float64, tf.float16, tf.bfloat16, tf.int8, tf.int16, tf.int32, tf.int64),
                *(tf.uint8, tf.uint16, tf.uint32, tf.uint64, tf.bool, tf.string, tf.complex64, tf.complex128),
            )
        ]
    )
    def echo(self, *values):
        return {value.dtype.name: tf.identity(value) for value in values}


@functools.lru_cache(maxsize=1)
def template():
    """The SavedModel that all versions are copies of."""
    directory = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    version_file = directory / "version.txt"
    version_file.write_text("1\n")
    model = SmallModel(str(version_file))
    names = ("recommend", "serving_default", "user_interests", "count", "until_file", "echo")
    tf.saved_model.save(model, str(directory / "model"), signatures={name: getattr(model, name) for name in names})
    return directory / "model"


def put_version(base, number, warmup=(), **fields):
    """Makes a version folder as the Pusher does: it appears under its number when it is complete."""
    base.mkdir(parents=True, exist_ok=True)
    temporary = base / f".writing-{number}"
    shutil.copytree(template(), temporary)
    (temporary / "assets" / "version.txt").write_text(f"{number}\n")
    if warmup:
        put_warmup(temporary, warmup)
    manifest.write(temporary, **(FIELDS | fields))
    os.rename(temporary, base / str(number))
    return base / str(number)


def put_warmup(folder, requests):
    """Writes warm-up records of Predict requests."""
    path = folder / "assets.extra" / "tf_serving_warmup_requests"
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for request in requests:
            log = prediction_log_pb2.PredictionLog()
            log.predict_log.request.CopyFrom(request)
            writer.write(log.SerializeToString())


def request(signature, inputs, model=MODEL, outputs=()):
    """A PredictRequest; arrays become tensors as ``tf.make_tensor_proto`` makes them."""
    message = predict_pb2.PredictRequest()
    message.model_spec.name = model
    message.model_spec.signature_name = signature
    for name, value in inputs.items():
        message.inputs[name].CopyFrom(
            value if hasattr(value, "dtype") and hasattr(value, "int_val") else tf.make_tensor_proto(value)
        )
    message.output_filter.extend(outputs)
    return message


class Held:
    """A run that is under way until it is let go.

    Args:
      folder: an existing one, for the file that it waits for.
    """

    def __init__(self, folder):
        self._file = folder / "let-go"

    @property
    def inputs(self):
        """What the signature ``until_file`` is asked with."""
        return {"file": str(self._file)}

    @property
    def request(self):
        return request("until_file", self.inputs)

    def let_go(self):
        self._file.touch()


def recommend_inputs(**changes):
    """Valid inputs of ``recommend`` for two users."""
    inputs = {
        "history": [["a", "b"], ["", ""]],
        "history_time": tf.constant([[5, 7], [0, 0]], tf.int64),
        "user_city": [["Kyoto"], [""]],
        "user_age": [[1.5], [float("nan")]],
        "exclude": [["x"], [""]],
        "exclude_history": False,
        "k": 3,
        "diversity": 0.25,
    }
    return inputs | changes
