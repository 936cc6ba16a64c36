"""Warm-up: runs the recorded requests of a version before it becomes available."""

import logging
from pathlib import Path

import grpc

from serving.errors import ServingError, from_tensorflow
from serving.limits import Limits
from serving.runtime.predict import predict
from serving.runtime.protos import prediction_log_pb2, tf
from serving.runtime.servable import Servable

log = logging.getLogger("serving.warmup")

WARMUP_REQUESTS = "assets.extra/tf_serving_warmup_requests"
"""A TFRecord file of PredictionLog messages, where TensorFlow Serving looks for it as well."""
MOST_RECORDS = 1000


def warm_up(servable: Servable, version_dir: Path, limits: Limits) -> int:
    """Runs the recorded requests once each, so that lazy building and first-call costs fall on nobody.

    Args:
      servable: the loaded model.
      version_dir: its folder; one without records is fine.
      limits: as in :func:`serving.runtime.predict.predict`.

    Returns:
      how many requests were run. Records of methods that this server does not have are left out.

    Raises:
      ServingError: there are too many records, one cannot be read, or the model fails on one.
    """
    path = version_dir / WARMUP_REQUESTS
    if not path.exists():
        return 0
    number = run = 0
    try:
        for number, record in enumerate(tf.data.TFRecordDataset(str(path)).as_numpy_iterator(), start=1):
            if number > MOST_RECORDS:
                raise _refused(f"Number of warmup records exceeds the maximum ({MOST_RECORDS})", path)
            try:
                entry = prediction_log_pb2.PredictionLog.FromString(record)
            except ValueError:
                raise _refused(f"Failed to parse warmup record {number}", path) from None
            if entry.WhichOneof("log_type") == "predict_log":
                predict(servable, entry.predict_log.request, limits)
                run += 1
    except ServingError as error:
        raise ServingError(error.code, f"warm-up record {number}: {error.text}") from error
    except tf.errors.OpError as error:
        failure = from_tensorflow(error.error_code, error.message)
        raise ServingError(failure.code, f"{path}: {failure.text}; it has to be a TFRecord file") from error
    if run < number:
        log.warning("%s: %d records are not of Predict and were left out", path, number - run)
    return run


def _refused(text: str, path: Path) -> ServingError:
    return ServingError(grpc.StatusCode.INVALID_ARGUMENT, f"{text} at {path}")
