"""Protobuf messages of TensorFlow Serving that the client needs, without TensorFlow.

The published messages (package tensorflow-serving-api) import TensorFlow, 3 s and 500 MB. Protocol buffers put field
numbers and types on the wire, never names of messages: the ones below have the same, so the bytes are the same. They
live in a pool of their own and do not collide with the published ones in one process.

Source: tensorflow/core/framework/{tensor,tensor_shape}.proto, tensorflow/core/protobuf/meta_graph.proto and
tensorflow_serving/apis/{model,predict,get_model_status,get_model_metadata}.proto.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

DT_FLOAT, DT_DOUBLE, DT_INT32, DT_STRING, DT_INT64, DT_BOOL = 1, 2, 3, 7, 9, 10
"""Numbers of tensorflow.DataType."""

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "string": _Field.TYPE_STRING,
    "bytes": _Field.TYPE_BYTES,
    "int32": _Field.TYPE_INT32,
    "int64": _Field.TYPE_INT64,
    "float": _Field.TYPE_FLOAT,
    "double": _Field.TYPE_DOUBLE,
    "bool": _Field.TYPE_BOOL,
}
_PACKAGE = "polyrec.wire"

# Message -> fields "name:number:type". A type with * is repeated, with = is the value of a map with string keys, and
# with | belongs to the message's one oneof. Enumerations are int32 here: the same varint.
_MESSAGES = {
    "Dim": "size:1:int64",
    "TensorShapeProto": "dim:2:*Dim unknown_rank:3:bool",
    "TensorProto": "dtype:1:int32 tensor_shape:2:TensorShapeProto tensor_content:4:bytes float_val:5:*float "
    "double_val:6:*double int_val:7:*int32 string_val:8:*bytes int64_val:10:*int64 bool_val:11:*bool",
    "Int64Value": "value:1:int64",
    "Any": "type_url:1:string value:2:bytes",
    "ModelSpec": "name:1:string version:2:|Int64Value version_label:4:|string signature_name:3:string",
    "PredictRequest": "model_spec:1:ModelSpec inputs:2:=TensorProto output_filter:3:*string",
    "PredictResponse": "outputs:1:=TensorProto model_spec:2:ModelSpec",
    "StatusProto": "error_code:1:int32 error_message:2:string",
    "ModelVersionStatus": "version:1:int64 state:2:int32 status:3:StatusProto",
    "GetModelStatusRequest": "model_spec:1:ModelSpec",
    "GetModelStatusResponse": "model_version_status:1:*ModelVersionStatus",
    "GetModelMetadataRequest": "model_spec:1:ModelSpec metadata_field:2:*string",
    "GetModelMetadataResponse": "model_spec:1:ModelSpec metadata:2:=Any",
    "TensorInfo": "name:1:string dtype:2:int32 tensor_shape:3:TensorShapeProto",
    "SignatureDef": "inputs:1:=TensorInfo outputs:2:=TensorInfo method_name:3:string defaults:4:=TensorProto",
    "SignatureDefMap": "signature_def:1:=SignatureDef",
}


def _set_type(field: Any, kind: str) -> None:
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type, field.type_name = _Field.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"


def _add_field(message: Any, text: str) -> None:
    name, number, kind = text.split(":")
    mark = kind[0] if kind[0] in "*=|" else ""
    kind = kind[len(mark) :]
    field = message.field.add(name=name, number=int(number))
    field.label = _Field.LABEL_REPEATED if mark in ("*", "=") else _Field.LABEL_OPTIONAL
    if mark == "|":
        if not message.oneof_decl:
            message.oneof_decl.add(name="choice")
        field.oneof_index = 0
    if mark != "=":
        _set_type(field, kind)
        return
    entry = message.nested_type.add(name=name.title().replace("_", "") + "Entry")
    entry.options.map_entry = True
    key = entry.field.add(name="key", number=1, label=_Field.LABEL_OPTIONAL)
    _set_type(key, "string")
    value = entry.field.add(name="value", number=2, label=_Field.LABEL_OPTIONAL)
    _set_type(value, kind)
    field.type, field.type_name = _Field.TYPE_MESSAGE, f".{_PACKAGE}.{message.name}.{entry.name}"


def _build() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="polyrec/wire.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for text in fields.split():
            _add_field(message, text)
    pool: Any = descriptor_pool.DescriptorPool()
    pool.Add(file)
    descriptors = {name: pool.FindMessageTypeByName(f"{_PACKAGE}.{name}") for name in _MESSAGES}
    if hasattr(message_factory, "GetMessageClass"):  # protobuf 4.22 and later
        return {name: message_factory.GetMessageClass(descriptor) for name, descriptor in descriptors.items()}
    factory: Any = message_factory.MessageFactory(pool)
    return {name: factory.GetPrototype(descriptor) for name, descriptor in descriptors.items()}


_CLASSES = _build()
TensorProto = _CLASSES["TensorProto"]
PredictRequest = _CLASSES["PredictRequest"]
PredictResponse = _CLASSES["PredictResponse"]
GetModelStatusRequest = _CLASSES["GetModelStatusRequest"]
GetModelStatusResponse = _CLASSES["GetModelStatusResponse"]
GetModelMetadataRequest = _CLASSES["GetModelMetadataRequest"]
GetModelMetadataResponse = _CLASSES["GetModelMetadataResponse"]
SignatureDefMap = _CLASSES["SignatureDefMap"]

_NUMERIC: dict[int, tuple[str, np.dtype[Any]]] = {
    DT_FLOAT: ("float_val", np.dtype("<f4")),
    DT_DOUBLE: ("double_val", np.dtype("<f8")),
    DT_INT32: ("int_val", np.dtype("<i4")),
    DT_INT64: ("int64_val", np.dtype("<i8")),
    DT_BOOL: ("bool_val", np.dtype("?")),
}
_STRINGS: tuple[str, np.dtype[Any]] = ("string_val", np.dtype(object))


def scalar(value: bool | int | float, dtype: int) -> Any:
    """A TensorProto of rank 0 and numeric type."""
    return TensorProto(dtype=dtype, tensor_content=np.asarray(value, _NUMERIC[dtype][1]).tobytes(), tensor_shape={})


def matrix(rows: Sequence[Sequence[Any]], dtype: int, padding: Any) -> Any:
    """A TensorProto [B, S] of rows of different lengths.

    Args:
      rows: B lists; of text for DT_STRING.
      dtype: DT_STRING or a numeric type.
      padding: fills each row to the longest; S is at least 1.
    """
    width = max([1, *map(len, rows)])
    proto = TensorProto(dtype=dtype)
    for size in (len(rows), width):
        proto.tensor_shape.dim.add(size=size)
    padded = [list(row) + [padding] * (width - len(row)) for row in rows]
    if dtype == DT_STRING:
        proto.string_val.extend([value.encode() for row in padded for value in row])
    else:
        proto.tensor_content = np.asarray(padded, _NUMERIC[dtype][1]).tobytes()
    return proto


def array(proto: Any) -> npt.NDArray[Any]:
    """The array of a TensorProto in either encoding; strings as ``bytes`` objects.

    Raises:
      ValueError: its type is not one that this client reads, or its values do not fit its shape.
    """
    shape = [dim.size for dim in proto.tensor_shape.dim]
    count = int(np.prod(shape, dtype=np.int64))
    if proto.dtype == DT_STRING:
        field, dtype = _STRINGS
    elif proto.dtype in _NUMERIC:
        field, dtype = _NUMERIC[proto.dtype]
    else:
        raise ValueError(f"tensors of type {proto.dtype} are not read by this client")
    if proto.tensor_content:
        return np.frombuffer(proto.tensor_content, dtype).reshape(shape)
    values = np.empty(len(getattr(proto, field)), dtype)
    values[:] = getattr(proto, field)
    if 0 < len(values) < count:
        values = np.concatenate([values, np.repeat(values[-1:], count - len(values))])
    return values.reshape(shape)
