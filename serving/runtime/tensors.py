"""Converts TensorProtos to arrays and back, with TensorFlow Serving's encodings.

A request is not trusted: the size of a tensor is computed from its shape before anything is allocated, because a
shape of a few bytes can stand for any amount of memory.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt

from serving.errors import ServingError, invalid_argument
from serving.limits import Limits
from serving.runtime.protos import meta_graph_pb2, tensor_pb2, tf, types_pb2

_STRING_OVERHEAD = 64
"""Bytes that a string costs beside its content, in NumPy and in TensorFlow together."""
_MOST_DIMENSIONS = 254

_FIELDS: dict[int, tuple[str, Callable[[npt.NDArray[Any]], list[Any]]]] = {
    types_pb2.DT_FLOAT: ("float_val", np.ndarray.tolist),
    types_pb2.DT_DOUBLE: ("double_val", np.ndarray.tolist),
    types_pb2.DT_INT64: ("int64_val", np.ndarray.tolist),
    types_pb2.DT_UINT64: ("uint64_val", np.ndarray.tolist),
    types_pb2.DT_UINT32: ("uint32_val", np.ndarray.tolist),
    types_pb2.DT_BOOL: ("bool_val", np.ndarray.tolist),
    types_pb2.DT_STRING: ("string_val", np.ndarray.tolist),
    types_pb2.DT_COMPLEX64: ("scomplex_val", lambda flat: flat.view(np.float32).tolist()),
    types_pb2.DT_COMPLEX128: ("dcomplex_val", lambda flat: flat.view(np.float64).tolist()),
    types_pb2.DT_HALF: ("half_val", lambda flat: flat.view(np.uint16).tolist()),
    types_pb2.DT_BFLOAT16: ("half_val", lambda flat: flat.view(np.uint16).tolist()),
    **dict.fromkeys(
        (types_pb2.DT_INT32, types_pb2.DT_INT16, types_pb2.DT_INT8, types_pb2.DT_UINT16, types_pb2.DT_UINT8),
        ("int_val", np.ndarray.tolist),
    ),
}
_VALUES_PER_ELEMENT = {types_pb2.DT_COMPLEX64: 2, types_pb2.DT_COMPLEX128: 2}


def to_array(
    alias: str, proto: tensor_pb2.TensorProto, info: meta_graph_pb2.TensorInfo, limits: Limits
) -> npt.NDArray[Any]:
    """Reads one input of a request.

    Both encodings are read: ``tensor_content``, and the typed fields, where the last value stands for all that
    follow it and none at all stands for zeros.

    Args:
      alias: the input's name, for the errors.
      proto: as received.
      info: what the signature expects.
      limits: of its shape, and of the array that is made of it.

    Returns:
      an array of the signature's dtype; strings are ``bytes`` objects.

    Raises:
      ServingError: INVALID_ARGUMENT; says what does not fit.
    """
    if proto.dtype != info.dtype:
        raise invalid_argument(
            f"input {alias} is {dtype_name(proto.dtype)}, but the signature expects {dtype_name(info.dtype)}"
        )
    if proto.dtype not in _FIELDS:
        raise _unreadable(alias, f"values of type {dtype_name(proto.dtype)} cannot be received")
    shape = _shape(alias, proto)
    _check_against_signature(alias, shape, info.tensor_shape)
    limits.check_shape(alias, shape)
    _check_values(alias, proto, shape, limits.tensor_bytes)
    try:
        if proto.dtype == types_pb2.DT_STRING and proto.tensor_content:
            return np.asarray(tf.io.parse_tensor(proto.SerializeToString(), tf.string).numpy(), object)
        read: npt.NDArray[Any] = tf.make_ndarray(proto)
        return read
    except (ValueError, TypeError, OverflowError, tf.errors.OpError):
        raise _unreadable(alias, "its values do not fit its type and shape") from None


def to_proto(array: npt.NDArray[Any], dtype: int) -> tensor_pb2.TensorProto:
    """Writes one output of a reply, its values in the field of its type (floats as ``float_val``).

    Args:
      array: any shape; strings as ``bytes`` objects.
      dtype: a ``DataType``.

    Raises:
      ServingError: UNIMPLEMENTED for a type that has no field, such as a resource.
    """
    if dtype not in _FIELDS:
        raise ServingError(grpc.StatusCode.UNIMPLEMENTED, f"outputs of type {dtype_name(dtype)} cannot be sent")
    array = np.asarray(array, object if dtype == types_pb2.DT_STRING else tf.as_dtype(dtype).as_numpy_dtype)
    proto = tensor_pb2.TensorProto(dtype=dtype)
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    field, values = _FIELDS[dtype]
    getattr(proto, field).extend(values(np.ascontiguousarray(array).reshape(-1)))
    return proto


def dtype_name(dtype: int) -> str:
    """``string``, ``int64`` ... of a ``DataType``; the number itself if there is no such type."""
    try:
        name: str = tf.as_dtype(dtype).name if dtype else "of no type"
        return name
    except TypeError:
        return f"of the unknown type {dtype}"


def _shape(alias: str, proto: tensor_pb2.TensorProto) -> list[int]:
    shape = [dim.size for dim in proto.tensor_shape.dim]
    if proto.tensor_shape.unknown_rank or len(shape) > _MOST_DIMENSIONS or any(size < 0 for size in shape):
        raise _unreadable(alias, f"its shape {_as_text(shape)} is not one of a tensor")
    return shape


def _check_against_signature(alias: str, shape: list[int], expected: meta_graph_pb2.TensorInfo) -> None:
    if expected.unknown_rank:
        return
    sizes = [dim.size for dim in expected.dim]
    if len(sizes) != len(shape) or any(want not in (-1, size) for want, size in zip(sizes, shape, strict=True)):
        wanted = _as_text(["?" if size == -1 else size for size in sizes])
        raise invalid_argument(f"input {alias} has shape {_as_text(shape)}, but the signature expects {wanted}")


def _check_values(alias: str, proto: tensor_pb2.TensorProto, shape: list[int], max_bytes: int) -> None:
    """Refuses what does not fit the shape, and what would be larger than ``max_bytes``."""
    elements = math.prod(shape)
    field = getattr(proto, _FIELDS[proto.dtype][0])
    if proto.dtype == types_pb2.DT_STRING:
        width = _STRING_OVERHEAD
        repeated = max(elements - len(field), 0) * len(field[-1]) if field else 0
    else:
        width, repeated = tf.as_dtype(proto.dtype).size, 0
    # A zero among huge sizes makes an empty tensor, but still one of a size that operations multiply with.
    if math.prod(max(size, 1) for size in shape) * width + repeated > max_bytes:
        raise _unreadable(alias, f"of shape {_as_text(shape)} it would take more than {max_bytes} bytes")
    if proto.tensor_content:
        if proto.dtype != types_pb2.DT_STRING and len(proto.tensor_content) != elements * width:
            raise _unreadable(
                alias, f"tensor_content has {len(proto.tensor_content)} bytes, its shape needs {elements * width}"
            )
        return
    values = len(field) // _VALUES_PER_ELEMENT.get(proto.dtype, 1)
    if values > elements:
        raise _unreadable(alias, f"it has {values} values, its shape {_as_text(shape)} only {elements}")


def _unreadable(alias: str, reason: str) -> ServingError:
    return invalid_argument(f"tensor parsing error: {alias} ({reason})")


def _as_text(shape: Sequence[object]) -> str:
    shown = [str(size) for size in shape[:8]] + (["..."] if len(shape) > 8 else [])
    return "[" + ",".join(shown) + "]"
