"""Converts nested JSON lists to tensors."""

import base64
import binascii
import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import grpc
import numpy as np

from serving.errors import ServingError, invalid_argument
from serving.runtime.protos import tensor_pb2, tf, types_pb2
from serving.runtime.tensors import to_proto

BASE64 = "b64"
_DEEPEST = 254
_MOST_SHOWN = 60
_JSON_TYPES: dict[type[Any], str] = {
    **{type(None): "Null", bool: "Boolean", str: "String", int: "Number", float: "Number", list: "Array"},
    dict: "Object",
}


def shown(value: Any) -> str:
    """The beginning of a JSON value, for an error."""
    if isinstance(value, list | dict):
        return f"{'a list' if isinstance(value, list) else 'an object'} of {len(value)}"
    text = json.dumps(value[:_MOST_SHOWN] if isinstance(value, str) else value)
    return text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 3] + "..."


def is_base64(value: Any) -> bool:
    """Whether a value is ``{"b64": "..."}``, a binary string."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get(BASE64), str)


def shape_of(value: Any) -> list[int]:
    """The shape of a nested list by its first elements; [] of a scalar.

    Raises:
      ServingError: INVALID_ARGUMENT, it is nested deeper than a tensor.
    """
    shape: list[int] = []
    while isinstance(value, list):
        shape.append(len(value))
        if len(shape) > _DEEPEST:
            raise invalid_argument(f"Encountered list at unexpected level: {_DEEPEST} expected < {_DEEPEST}")
        if not value:
            break
        value = value[0]
    return shape


def converted(values: Sequence[Any], shape: Sequence[int], dtype: int) -> tensor_pb2.TensorProto:
    """A batch of nested lists as one tensor [len(values), *shape].

    Args:
      values: nested lists, all of the same shape.
      shape: of one of them.
      dtype: a ``DataType``.

    Raises:
      ServingError: INVALID_ARGUMENT, a list is of another length or a value of another type; UNIMPLEMENTED, the type
        has no JSON form.
    """
    convert = _CONVERSIONS.get(dtype)
    if convert is None:
        raise ServingError(
            grpc.StatusCode.UNIMPLEMENTED, f"Conversion of JSON values to type: {tf.as_dtype(dtype).name}"
        )
    flat = list(values)
    for level, size in enumerate(shape):
        flat = _one_level_down(flat, level, size, len(shape))
    for value in flat:
        if isinstance(value, list):
            raise invalid_argument(f"Encountered list at unexpected level: {len(shape)} expected < {len(shape)}")
    array = np.empty(len(flat), object)
    array[:] = convert(flat, _type_name(dtype))
    return to_proto(array.reshape([len(values), *shape]), dtype)


def _one_level_down(values: list[Any], level: int, size: int, rank: int) -> list[Any]:
    below = []
    for value in values:
        if not isinstance(value, list):
            raise invalid_argument(
                f"JSON Value: {shown(value)} found at incorrect level: {level + 1} in the JSON DOM. Expected at "
                f"level: {rank}"
            )
        if len(value) != size:
            raise invalid_argument(
                f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {size}"
            )
        below += value
    return below


def _strings(values: list[Any], name: str) -> list[bytes]:
    found = []
    for value in values:
        if isinstance(value, str):
            try:
                found.append(value.encode())
            except UnicodeEncodeError:
                raise invalid_argument(
                    f"JSON Value: {shown(value)} is no valid text: it has half a surrogate pair"
                ) from None
        elif isinstance(value, dict):
            found.append(_decoded(value))
        else:
            raise _of_another_type(value, name)
    return found


def _decoded(value: dict[str, Any]) -> bytes:
    if not is_base64(value):
        raise invalid_argument(f"JSON Value: {shown(value)} not formatted correctly for base64 data")
    try:
        # White space and missing padding are allowed, as in TensorFlow Serving.
        text = "".join(value[BASE64].split()).rstrip("=").encode("ascii")
        return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise invalid_argument("Unable to base64 decode") from None


def _booleans(values: list[Any], name: str) -> list[bool]:
    for value in values:
        if not isinstance(value, bool):
            raise _of_another_type(value, name)
    return values


def _integers(dtype: int) -> Callable[[list[Any], str], list[int]]:
    bounds = np.iinfo(tf.as_dtype(dtype).as_numpy_dtype)
    least, most = int(bounds.min), int(bounds.max)

    def convert(values: list[Any], name: str) -> list[int]:
        for value in values:
            if type(value) is not int or not least <= value <= most:
                raise _of_another_type(value, name)
        return values

    return convert


def _decimals(dtype: int) -> Callable[[list[Any], str], list[float]]:
    bounds = np.finfo(tf.as_dtype(dtype).as_numpy_dtype)
    largest_integer, most = (1 << (bounds.nmant + 1)) - 1, float(bounds.max)

    def convert(values: list[Any], name: str) -> list[float]:
        for value in values:
            if type(value) not in (int, float):
                raise _of_another_type(value, name)
            limit = largest_integer if isinstance(value, int) else most
            if abs(value) > limit and not (isinstance(value, float) and math.isinf(value)):
                raise invalid_argument(
                    f"Cannot convert JSON value: {shown(value)} to {name} without loss of precision."
                )
        return values

    return convert


def _type_name(dtype: int) -> str:
    return str({types_pb2.DT_FLOAT: "float", types_pb2.DT_DOUBLE: "double"}.get(dtype, tf.as_dtype(dtype).name))


def _of_another_type(value: Any, name: str) -> ServingError:
    return invalid_argument(
        f"JSON Value: {shown(value)} Type: {_JSON_TYPES[type(value)]} is not of expected type: {name}"
    )


_CONVERSIONS: dict[int, Callable[[list[Any], str], list[Any]]] = {
    types_pb2.DT_STRING: _strings,
    types_pb2.DT_BOOL: _booleans,
    **{dtype: _decimals(dtype) for dtype in (types_pb2.DT_FLOAT, types_pb2.DT_DOUBLE)},
    **{
        dtype: _integers(dtype)
        for dtype in (
            *(types_pb2.DT_INT8, types_pb2.DT_INT16, types_pb2.DT_INT32, types_pb2.DT_INT64),
            *(types_pb2.DT_UINT8, types_pb2.DT_UINT32, types_pb2.DT_UINT64),
        )
    },
}
"""Types that have a JSON form; the same as in TensorFlow Serving."""
