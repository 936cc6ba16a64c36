"""Parses the JSON body of a predict request into the tensors of a PredictRequest.

Source: tensorflow_serving/g3doc/api_rest.md, and util/json_tensor.cc for what is refused in which words.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from serving.bundle.signatures import USER_PREFIX, profile_feature
from serving.errors import ServingError, invalid_argument
from serving.limits import Limits
from serving.ports.rest.json_values import converted, is_base64, shape_of, shown
from serving.runtime.protos import meta_graph_pb2, tensor_pb2

Expected = Mapping[str, meta_graph_pb2.TensorInfo]
ROWS, COLUMNS = "instances", "inputs"


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object of a body; NaN, Infinity and -Infinity are numbers.

    Raises:
      ServingError: INVALID_ARGUMENT, it is none.
    """
    if not body:
        raise invalid_argument("JSON Parse error: The document is empty")
    try:
        document = json.loads(body.decode())
    except UnicodeDecodeError as error:
        raise invalid_argument(
            f"JSON Parse error: not UTF-8 at offset: {error.start}; send binary strings as "
            '{"b64": <their base64 encoding>}'
        ) from None
    except json.JSONDecodeError as error:
        raise invalid_argument(f"JSON Parse error: {error.msg} at offset: {error.pos}") from None
    except ValueError:  # the only other one: a number of thousands of digits
        raise invalid_argument("JSON Parse error: a number is too big to be stored") from None
    except RecursionError:
        raise invalid_argument("JSON Parse error: nested too deep") from None
    if not isinstance(document, dict):
        raise invalid_argument(f"JSON Value: {shown(document)} Is not object")
    return document


def signature_name(document: Mapping[str, Any]) -> str:
    """The signature that a document asks for; "" for the default one.

    Raises:
      ServingError: INVALID_ARGUMENT, it is no text.
    """
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid_argument("JSON Value not formatted correctly. 'signature_name' key must be a string value.")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise invalid_argument("'signature_name' is no valid text: it has half a surrogate pair") from None
    return name


def tensors(
    document: Mapping[str, Any], expected: Expected, defaults: Collection[str], limits: Limits
) -> tuple[str, dict[str, tensor_pb2.TensorProto]]:
    """The inputs of a document.

    Args:
      document: what was sent.
      expected: the signature's inputs.
      defaults: of them those that may be left out.
      limits: of each input's shape.

    Returns:
      ``ROWS`` or ``COLUMNS``, which is the format of the answer as well; and the tensors by the name of their input.

    Raises:
      ServingError: INVALID_ARGUMENT or, for a type without a JSON form, UNIMPLEMENTED.
    """
    document = _by_input(document, expected)
    if not expected:
        raise invalid_argument(f"Failed to get input map for signature: {signature_name(document) or 'DEFAULT'}")
    if ROWS in document and COLUMNS in document:
        raise invalid_argument(f"Not formatted correctly expecting only one of '{COLUMNS}' or '{ROWS}' keys to exist")
    if ROWS in document:
        instances = document[ROWS]
        if not isinstance(instances, list):
            raise invalid_argument(f"Expecting '{ROWS}' to be a list/array")
        if not instances:
            raise invalid_argument(f"No values in '{ROWS}' array")
        return ROWS, _of_rows(instances, expected, defaults, limits)
    if COLUMNS in document:
        return COLUMNS, _of_columns(document[COLUMNS], expected, defaults, limits)
    raise invalid_argument(f"Missing '{COLUMNS}' or '{ROWS}' key")


def _by_input(document: Mapping[str, Any], expected: Expected) -> Mapping[str, Any]:
    """The document with ``user_Age Group`` under the name of its input: clients spell a feature as its column does."""
    spelt = {
        USER_PREFIX + feature: name
        for name in expected
        if (feature := profile_feature(name)) is not None and USER_PREFIX + feature != name
    }
    if not spelt:
        return document

    def named(value: Any) -> Any:
        if not _has_names(value) or not spelt.keys() & value.keys():
            return value
        # Where both names are given, the own spelling stays what it is: an unknown input.
        return {key if (name := spelt.get(key, key)) in value else name: given for key, given in value.items()}

    found = dict(document)
    if isinstance(found.get(ROWS), list):
        found[ROWS] = [named(instance) for instance in found[ROWS]]
    if COLUMNS in found:
        found[COLUMNS] = named(found[COLUMNS])
    return found


def _of_columns(
    value: Any, expected: Expected, defaults: Collection[str], limits: Limits
) -> dict[str, tensor_pb2.TensorProto]:
    if not _has_names(value):
        if len(expected) > 1:
            raise invalid_argument(
                "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
                f"tensorinfo_map: {_names(expected)}"
            )
        value = {next(iter(expected)): value}
    found = {}
    for name, info in sorted(expected.items()):
        if name not in value:
            if name in defaults:
                continue
            raise invalid_argument(f"Missing named input: {name} in 'inputs' object.")
        shape = shape_of(value[name])
        limits.check_shape(name, shape)
        found[name] = converted([value[name]], shape, info.dtype)
        del found[name].tensor_shape.dim[0]
    return found


def _of_rows(
    instances: list[Any], expected: Expected, defaults: Collection[str], limits: Limits
) -> dict[str, tensor_pb2.TensorProto]:
    named = _has_names(instances[0])
    if named:
        left_out = {name for name in defaults if name not in instances[0]}
        expected = {name: info for name, info in expected.items() if name not in left_out}
    scalars = [name for name, info in expected.items() if not info.tensor_shape.unknown_rank and not _rank(info)]
    if scalars:
        raise invalid_argument(
            f"'{ROWS}' gives every input a row for each instance, but {_names(scalars)} are scalars, one for all: "
            f"send columns, '{COLUMNS}'"
        )
    limits.check_shape(ROWS, [len(instances)])
    if not named and len(expected) > 1:
        raise invalid_argument(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            f"tensorinfo_map: {_names(expected)}"
        )
    for place, instance in enumerate(instances):
        if named != _has_names(instance):
            wanted, got = ("object", "list") if named else ("value/list", "object")
            raise invalid_argument(f"Expecting {wanted} but got {got} at item {place} of input list")
        if named and set(instance) != set(expected):
            raise invalid_argument(
                f"Failed to process element: {place} of '{ROWS}' list. JSON object: must only have keys: "
                f"{_names(expected)}"
            )
    found = {}
    for name, info in sorted(expected.items()):
        values = [instance[name] for instance in instances] if named else instances
        found[name] = _of_values(name, values, info.dtype, limits, f" key: {name}" if named else "")
    return found


def _of_values(name: str, values: Sequence[Any], dtype: int, limits: Limits, key: str) -> tensor_pb2.TensorProto:
    shape = shape_of(values[0])
    limits.check_shape(name, [len(values), *shape])
    for place, value in enumerate(values):
        if (other := shape_of(value)) != shape:
            raise invalid_argument(
                f"Failed to process element: {place}{key} of '{ROWS}' list. Error: INVALID_ARGUMENT: Expecting shape "
                f"{_text(shape)} but got: {_text(other)}"
            )
    try:
        return converted(values, shape, dtype)
    except ServingError as error:
        raise ServingError(
            error.code, f"Failed to process{key or ' element'} of '{ROWS}' list. Error: {error.code.name}: {error.text}"
        ) from None


def _has_names(value: Any) -> bool:
    return isinstance(value, dict) and not is_base64(value)


def _rank(info: meta_graph_pb2.TensorInfo) -> int:
    return len(info.tensor_shape.dim)


def _names(names: Any) -> str:
    return ",".join(sorted(names))


def _text(shape: Sequence[int]) -> str:
    return "[" + ",".join(map(str, shape)) + "]"
