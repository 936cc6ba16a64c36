"""JSON replies, in TensorFlow Serving's format."""

import base64
import inspect
import json
from typing import Any

import numpy as np
from google.protobuf import json_format

from serving.errors import invalid_argument
from serving.ports.rest.json_requests import ROWS
from serving.ports.rest.json_values import BASE64
from serving.runtime.protos import get_model_metadata_pb2, get_model_status_pb2, predict_pb2, tensor_pb2, tf, types_pb2

_PREDICTIONS, _OUTPUTS = "predictions", "outputs"
_BYTES_SUFFIX = "_bytes"
# As it is called from protobuf 5.26 on, and before.
_OPTIONS = ("always_print_fields_with_no_presence", "including_default_value_fields")
_KNOWN = inspect.signature(json_format.MessageToDict).parameters
_DEFAULTS_TOO: dict[str, Any] = {next(name for name in _OPTIONS if name in _KNOWN): True}
_WRITTEN = frozenset(
    {
        *(types_pb2.DT_FLOAT, types_pb2.DT_DOUBLE, types_pb2.DT_STRING, types_pb2.DT_BOOL),
        *(types_pb2.DT_INT8, types_pb2.DT_INT16, types_pb2.DT_INT32, types_pb2.DT_INT64),
        *(types_pb2.DT_UINT8, types_pb2.DT_UINT32, types_pb2.DT_UINT64),
    }
)


def prediction(response: predict_pb2.PredictResponse, request_format: str) -> str:
    """The answer to a predict request, in the format of the request; of a single output without its name.

    Decimals have as many digits as they need to be read back as what they are; NaN, Infinity and -Infinity stand as
    such. A string of an output named ``..._bytes`` is written in base64; so is one that is no UTF-8 (TensorFlow
    Serving writes it as it is, which is no JSON).

    Args:
      response: of the model.
      request_format: ``ROWS`` or ``COLUMNS``.

    Raises:
      ServingError: INVALID_ARGUMENT, the outputs are not rows of one batch, or of a type that has no JSON form.
    """
    if request_format == ROWS:
        _check_rows(response)
    values = {name: _values(name, tensor) for name, tensor in sorted(response.outputs.items())}
    if len(values) == 1:
        (only,) = values.values()
        return json.dumps({_PREDICTIONS if request_format == ROWS else _OUTPUTS: only}, ensure_ascii=False)
    if request_format == ROWS:
        rows = [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
        return json.dumps({_PREDICTIONS: rows}, ensure_ascii=False)
    return json.dumps({_OUTPUTS: values}, ensure_ascii=False)


def status(response: get_model_status_pb2.GetModelStatusResponse) -> str:
    """The versions of a model."""
    return json_format.MessageToJson(response, indent=1, **_DEFAULTS_TOO)


def metadata(response: get_model_metadata_pb2.GetModelMetadataResponse) -> str:
    """The signatures of a model."""
    signatures = get_model_metadata_pb2.SignatureDefMap()
    response.metadata["signature_def"].Unpack(signatures)
    document = {"model_spec": _fields(response.model_spec), "metadata": {"signature_def": _fields(signatures)}}
    return json.dumps(document, indent=1)


def failure(text: str) -> str:
    """An error."""
    return json.dumps({"error": text})


def _fields(message: Any) -> dict[str, Any]:
    return json_format.MessageToDict(message, preserving_proto_field_name=True, **_DEFAULTS_TOO)


def _check_rows(response: predict_pb2.PredictResponse) -> None:
    sizes: set[int] = set()
    for name, tensor in sorted(response.outputs.items()):
        if not tensor.tensor_shape.dim:
            raise invalid_argument(f"Tensor name: {name} has no shape information")
        size = tensor.tensor_shape.dim[0].size
        if size < 1:
            raise invalid_argument(f"Tensor name: {name} has invalid batch size: {size}")
        if sizes and size not in sizes:
            raise invalid_argument(
                f"Tensor name: {name} has inconsistent batch size: {size} expecting: {sizes.pop()}; send columns, "
                "'inputs'"
            )
        sizes.add(size)


def _values(name: str, tensor: tensor_pb2.TensorProto) -> Any:
    if tensor.dtype not in _WRITTEN:
        raise invalid_argument(f"Failed to write JSON value for tensor type: {tf.as_dtype(tensor.dtype).name}")
    array = tf.make_ndarray(tensor)
    if tensor.dtype == types_pb2.DT_STRING:
        write = _base64 if name.endswith(_BYTES_SUFFIX) else _text
        flat = np.empty(array.size, object)
        flat[:] = [write(value) for value in array.reshape(-1)]
        return flat.reshape(array.shape).tolist()
    if tensor.dtype == types_pb2.DT_FLOAT:
        # By way of text: as a float64, 0.2 of float32 is 0.20000000298023224.
        return array.astype("U").astype(np.float64).tolist()
    return array.tolist()


def _text(value: bytes) -> str | dict[str, str]:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return _base64(value)


def _base64(value: bytes) -> dict[str, str]:
    return {BASE64: base64.b64encode(value).decode()}
