"""Requests that make no sense, or nearly none, as strategies of hypothesis.

They are made from the signatures that a server tells of itself, so that whatever a model takes is covered.
"""

import base64
import json
import random
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from serving.runtime.protos import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    meta_graph_pb2,
    predict_pb2,
    tensor_pb2,
    tf,
)

Signatures = Mapping[tuple[str, str], meta_graph_pb2.SignatureDef]
"""(model, signature) -> what it takes."""

IDS = (b"item-3", b"item-44", b"item-250", b"", b"nowhere", "é, last".encode(), b"\xff\xfe", b"\x00", b"a" * 5000)
SIZES = (-(2**63), -1, 0, 1, 2, 3, 7, 1000, 10**6, 10**9, 2**31, 2**62, 2**63 - 1)
INTEGERS = (0, 1, -1, 5, 400, 401, 10**9, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63))
FLOATS = (0.0, 0.5, -0.0, -1.0, 1e-45, 3e38, 1e39, float("nan"), float("inf"), -float("inf"))
LONG = (1000, 10_000, 10_001, 100_000, 1_000_000)
FIELDS = {
    **{"float_val": FLOATS[:6], "double_val": FLOATS, "int_val": INTEGERS[:9], "int64_val": INTEGERS},
    **{"string_val": IDS, "bool_val": (True, False), "half_val": (0, 1, 65535), "uint32_val": (0, 2**32 - 1)},
    **{"uint64_val": (0, 2**64 - 1), "scomplex_val": FLOATS[:6], "dcomplex_val": FLOATS},
}
SERVICES = {
    "Predict": "PredictionService",
    "GetModelMetadata": "PredictionService",
    "Classify": "PredictionService",
    "Regress": "PredictionService",
    "MultiInference": "PredictionService",
    "GetModelStatus": "ModelService",
    "Nothing": "PredictionService",
}


class Rubbish(NamedTuple):
    """A request.

    Attributes:
      kind: of rubbish.
      target: the name of a gRPC method, or the method and the path of a URL.
      make: its bytes, made when they are sent: some are large.
    """

    kind: str
    target: str
    make: Callable[[], bytes]


def everything(signatures: Signatures) -> st.SearchStrategy[list[Rubbish]]:
    """Some requests of one of the kinds."""
    kinds = st.sampled_from((values, values, tensors, tensors, examples, specs, specs, garbage, garbage))
    by_seed = st.builds(partial(_series, signatures, _IN_A_ROW), kinds, _SEEDS)
    by_choice = st.one_of(json_bodies(signatures), urls()).map(lambda rubbish: [rubbish])
    a_long_one = _SEEDS.map(partial(_series, signatures, 1, long))
    return st.one_of(by_seed, by_seed, by_seed, by_choice, by_choice, a_long_one)


_SEEDS = st.integers(0, 2**62)
"""For what takes too many choices for hypothesis to make them one by one; an example of it is several requests."""
_IN_A_ROW = 16


def _series(signatures: Signatures, number: int, kind: "Kind", seed: int) -> list[Rubbish]:
    dice = random.Random(seed)
    keys = [key for key in signatures if kind is not examples or key[1] == "serving_default"]
    made = []
    for _ in range(number):
        key = dice.choice(keys)
        made.append(kind(_request(*key, signatures[key], dice), dice))
    return made


Kind = Callable[[predict_pb2.PredictRequest, random.Random], Rubbish]
"""Spoils a request of the right types; of shapes that mostly go together, and values that are mostly in range."""


def _request(
    model: str, name: str, signature: meta_graph_pb2.SignatureDef, dice: random.Random
) -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = model, name
    shape = [dice.randrange(4), dice.randrange(5), 1, 1]
    for alias, info in sorted(signature.inputs.items()):
        own = shape if dice.randrange(10) else [dice.randrange(4), dice.randrange(5), 1, 1]
        request.inputs[alias].CopyFrom(_of(info, own[: len(info.tensor_shape.dim)], dice))
    return request


def _of(info: meta_graph_pb2.TensorInfo, shape: list[int], dice: random.Random) -> tensor_pb2.TensorProto:
    dtype = tf.as_dtype(info.dtype)
    pool: tuple = IDS if dtype == tf.string else (True, False) if dtype == tf.bool else FLOATS
    if dtype.is_integer:
        pool = tuple(value for value in INTEGERS if dtype.min <= value <= dtype.max)
    if not shape and dice.randrange(2):
        pool = (5,) if dtype.is_integer else pool[1:2]  # in range more often than not, for the rest to be reached
    chosen = dice.choices(pool, k=int(np.prod(shape, dtype=int)))
    with np.errstate(over="ignore"):
        array = np.array(chosen, object).reshape(shape).astype(dtype.as_numpy_dtype)
    return tf.make_tensor_proto(array, dtype, shape)


def _no_tensor(dtype: int, dice: random.Random) -> tensor_pb2.TensorProto:
    """Anything that a TensorProto can hold."""
    proto = tensor_pb2.TensorProto()
    proto.dtype = dice.choice((dtype,) * 60 + tuple(range(25)) + (99, 101, 119, 2**31 - 1))
    sizes = SIZES if dice.randrange(2) else SIZES[2:7]
    for size in dice.choices(sizes, k=dice.randrange(5)) or [1] * dice.choice((0, 1, 2, 300)):
        proto.tensor_shape.dim.add(size=size)
    proto.tensor_shape.unknown_rank = not dice.randrange(10)
    for name in dice.choices(sorted(FIELDS), k=dice.randrange(3)):
        getattr(proto, name).extend(dice.choices(FIELDS[name], k=dice.randrange(7)))
    if dice.randrange(2):
        proto.tensor_content = dice.randbytes(dice.choice((1, 4, 8, 16, 40)))
    proto.version_number = dice.choice((0, 0, -1, 7))
    if not dice.randrange(10):
        proto.resource_handle_val.add(device="cpu", name="x")
        proto.variant_val.add(type_name="x", metadata=b"y")
    return proto


def values(request: predict_pb2.PredictRequest, dice: random.Random) -> Rubbish:
    """Numbers and strings out of range, shapes that differ, empty batches."""
    del dice
    return _rubbish("values", request)


def tensors(request: predict_pb2.PredictRequest, dice: random.Random) -> Rubbish:
    """Wrong types, ranks, shapes and contents; inputs that lack or that nobody asked for."""
    for alias in dice.sample(sorted(request.inputs), min(dice.randrange(1, 3), len(request.inputs))):
        if dice.randrange(6):
            request.inputs[alias].CopyFrom(_no_tensor(request.inputs[alias].dtype, dice))
        else:
            del request.inputs[alias]
    if not dice.randrange(10):
        request.inputs[dice.choice(("", "nobody", "k", "x" * 5000))].CopyFrom(_no_tensor(1, dice))
    return _rubbish("tensors", request)


def long(request: predict_pb2.PredictRequest, dice: random.Random) -> Rubbish:
    """Up to 10^6 rows, values in a row, or bytes in a string; for one input or for all that go together."""
    aliases = sorted(alias for alias, tensor in request.inputs.items() if tensor.tensor_shape.dim)
    if dice.randrange(2):
        aliases = [dice.choice(aliases)]
    # Most are short, or the large ones take all the time.
    size, full, as_bytes = dice.choice(LONG[:3] * 6 + LONG), dice.randrange(2), not dice.randrange(4)
    shape = [1, size] if dice.randrange(2) else [size, 1]
    return Rubbish("long", "Predict", lambda: _stretched(request, aliases, shape, size, full, as_bytes))


def _stretched(
    request: predict_pb2.PredictRequest, aliases: list[str], shape: list[int], size: int, full: int, as_bytes: bool
) -> bytes:
    for alias in aliases:
        proto = request.inputs[alias]
        strings = proto.dtype == tf.string.as_datatype_enum
        fresh = tensor_pb2.TensorProto(dtype=proto.dtype)
        for place in ([1, 1] if as_bytes and strings else shape)[: len(proto.tensor_shape.dim)]:
            fresh.tensor_shape.dim.add(size=place)
        if strings:
            fresh.string_val.extend([b"x" * size] if as_bytes else [b"item-3"] * (size if full else 1))
        elif full:
            number = tf.as_dtype(proto.dtype).as_numpy_dtype
            fresh.tensor_content = np.ones([tf.TensorShape(fresh.tensor_shape).num_elements()], number).tobytes()
        proto.CopyFrom(fresh)
    return request.SerializeToString()


def examples(request: predict_pb2.PredictRequest, dice: random.Random) -> Rubbish:
    """Serialized tf.Examples that are none, or whose features are of another type or of uneven lengths."""
    kinds = dice.choices((_example, lambda dice: dice.randbytes(dice.randrange(60))), k=dice.randrange(5))
    made = [kind(dice) for kind in kinds]
    if not dice.randrange(60):
        uneven = tf.train.Example()
        uneven.features.feature["history"].bytes_list.value.extend([b"item-3"] * dice.choice(LONG))
        made += [uneven.SerializeToString()] + [b""] * dice.choice((0, 1000))
    (alias,) = request.inputs
    request.inputs[alias].CopyFrom(tf.make_tensor_proto(made, tf.string, [len(made)]))
    return _rubbish("examples", request)


def _example(dice: random.Random) -> bytes:
    example = tf.train.Example()
    for name in ("history", "history_time", "user_city", "user_age", "nobody"):
        feature, size = example.features.feature[name], dice.randrange(10)
        match dice.randrange(5):
            case 0:
                feature.bytes_list.value.extend(dice.choices(IDS, k=size))
            case 1:
                feature.int64_list.value.extend(dice.choices(INTEGERS, k=size))
            case 2:
                feature.float_list.value.extend(dice.choices(FLOATS[:6], k=size))
            case 3:
                del example.features.feature[name]
    serialized = example.SerializeToString()
    return serialized[: len(serialized) - dice.choice((0, 0, 0, 1, 7))]


NAMES = ("", "shop", "profile", "nope", "x" * 100_000, "é", "../../etc", "\x00", "shop/1")


def specs(request: Any, dice: random.Random) -> Rubbish:
    """Models, versions, labels, signatures, outputs and metadata that there are not."""
    method = dice.choice(("Predict", "GetModelMetadata", "GetModelStatus"))
    texts = dice.choices(("item_ids", "scores", "", "signature_def", "x" * 10_000, "k:0"), k=dice.randrange(4))
    if method == "Predict":
        request.output_filter.extend(texts)
    elif method == "GetModelMetadata":
        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=texts or ["signature_def"])
    else:
        request = get_model_status_pb2.GetModelStatusRequest()
    spec = request.model_spec
    spec.name = dice.choice((*NAMES, *["shop"] * len(NAMES)))
    match dice.randrange(6):
        case 0:
            spec.version.value = dice.choice(INTEGERS)
        case 1:
            spec.version_label = dice.choice((*NAMES, "stable", "canary"))
        case 2:
            spec.signature_name = dice.choice((*NAMES, "recommend", "__saved_model_init_op"))
        case 3:
            request.ClearField("model_spec")
    return Rubbish("specs", method, request.SerializeToString)


def garbage(request: predict_pb2.PredictRequest, dice: random.Random) -> Rubbish:
    """Bytes that are no message, or were one before some were changed."""
    method = dice.choice((*SERVICES, "Predict", "Predict"))
    if dice.randrange(4):
        message = bytearray(request.SerializeToString())
        for _ in range(dice.randrange(1, 5)):
            message[dice.randrange(len(message))] = dice.randrange(256)
        message = message[: len(message) - dice.choice((0, 0, 0, 1, 20))]
    else:
        message = bytearray(dice.randbytes(dice.randrange(200)))
    return Rubbish("garbage", method, lambda: bytes(message))


_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(INTEGERS),
    st.sampled_from((*FLOATS, 10**400)),
    st.sampled_from(("item-3", "", "é", "\ud800", "\x00")),
    st.sampled_from(({"b64": ""}, {"b64": "?"}, {"b64": 5}, {"b64": base64.b64encode(b"\xff").decode()}, {})),
)
_JSON = st.recursive(_LEAVES, lambda inner: st.one_of(st.lists(inner, max_size=3)), max_leaves=6)


@st.composite
def json_bodies(draw: Any, signatures: Signatures) -> Rubbish:
    """Bodies of REST predict requests."""
    model, name = draw(st.sampled_from(list(signatures)))
    url = f"POST /v1/models/{model}:predict"
    if draw(st.integers(0, 4)) == 0:
        body = draw(
            st.one_of(st.binary(max_size=50), st.sampled_from((b"[" * 50_000, b'{"inputs":' * 500, b"9" * 9000)))
        )
        return Rubbish("json", url, lambda: body)
    inputs: dict[str, Any] = {}
    for alias, info in signatures[model, name].inputs.items():
        valid: Any = {tf.string: "item-3", tf.bool: True, tf.float32: 0.5}.get(tf.as_dtype(info.dtype), 5)
        for _ in info.tensor_shape.dim:
            valid = [valid]
        inputs[alias] = valid if draw(st.integers(0, 4)) else draw(_JSON)
    document: Any = {"signature_name": name, "inputs": inputs}
    match draw(st.integers(0, 6)):
        case 0:
            document = {"signature_name": name, "instances": [inputs] * draw(st.sampled_from((0, 1, 2, 2000)))}
        case 1:
            document["signature_name"] = draw(_JSON)
        case 2:
            document = {"instances": draw(_JSON), "signature_name": name}
        case 3:
            inputs["history"] = [["item-3"] * draw(st.sampled_from(LONG))]
    return Rubbish("json", url, lambda: json.dumps(document).encode())


def urls() -> st.SearchStrategy[Rubbish]:
    """Methods and paths of HTTP that ask nothing, or for what is not there."""
    part = st.sampled_from(
        ("v1", "models", "shop", "nope", "versions", "1", "9" * 30, "labels", "%ff", "..", "metadata", "", "x" * 5000)
    )
    path = st.tuples(
        st.lists(part, max_size=6), st.sampled_from(("", ":predict", ":classify", ":", "?a=b", ":predict?"))
    )
    method = st.sampled_from(("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "NOTHING"))
    start = st.sampled_from(("", "/v1/models/shop", "/v1/models/"))
    return st.builds(
        lambda method, start, path: Rubbish("urls", f"{method} {start}/{'/'.join(path[0])}{path[1]}", lambda: b"{}"),
        *(method, start, path),
    )


def _rubbish(kind: str, request: predict_pb2.PredictRequest) -> Rubbish:
    return Rubbish(kind, "Predict", request.SerializeToString)
