"""Every encoding of a tensor, there and back; and what is no tensor at all."""

import numpy as np
import pytest

from serving.errors import ServingError
from serving.limits import Limits
from serving.runtime.predict import predict
from serving.runtime.protos import tensor_pb2, tf
from serving.runtime.servable import Servable
from serving.runtime.tensors import to_array, to_proto
from tests.serving.versions_on_disk import request, template

LIMIT = Limits(tensor_bytes=1 << 20, batch=2**63, list_length=2**63)
BFLOAT16 = tf.bfloat16.as_numpy_dtype
VALUES = {
    "float32": np.float32([[1.5, -2.0, np.inf]]),
    "float64": np.float64([[1.5, -2.0, 0.1]]),
    "float16": np.float16([[1.5, -2.0, 0.25]]),
    "bfloat16": np.array([[1.5, -2.0, 0.25]], BFLOAT16),
    "int8": np.int8([[1, -128, 127]]),
    "int16": np.int16([[1, -32768, 32767]]),
    "int32": np.int32([[1, -(2**31), 2**31 - 1]]),
    "int64": np.int64([[1, -(2**63), 2**63 - 1]]),
    "uint8": np.uint8([[1, 0, 255]]),
    "uint16": np.uint16([[1, 0, 65535]]),
    "uint32": np.uint32([[1, 0, 2**32 - 1]]),
    "uint64": np.uint64([[1, 0, 2**64 - 1]]),
    "bool": np.array([[True, False, True]]),
    "string": np.array([[b"a", b"", b"\x00\xff\x00"]], object),
    "complex64": np.complex64([[1 + 2j, -1j, 0]]),
    "complex128": np.complex128([[1 + 2j, -1j, 0.1]]),
}
FIELDS = {
    **{"float32": "float_val", "float64": "double_val", "float16": "half_val", "bfloat16": "half_val"},
    **dict.fromkeys(("int8", "int16", "int32", "uint8", "uint16"), "int_val"),
    **{"int64": "int64_val", "uint32": "uint32_val", "uint64": "uint64_val", "bool": "bool_val"},
    **{"string": "string_val", "complex64": "scomplex_val", "complex128": "dcomplex_val"},
}


@pytest.fixture(scope="module")
def servable():
    loaded = Servable(template())
    yield loaded
    loaded.close()


def as_content(array):
    """``tensor_content``, as TensorFlow's own op writes it (strings stay in their field)."""
    return tensor_pb2.TensorProto.FromString(tf.io.serialize_tensor(array).numpy())


def read(proto, dtype="float32", shape=None):
    with tf.Graph().as_default():
        info = tf.compat.v1.saved_model.build_tensor_info(tf.compat.v1.placeholder(dtype, shape))
    return to_array("x", proto, info, LIMIT)


def refusal(proto, **expected):
    with pytest.raises(ServingError) as caught:
        read(proto, **expected)
    assert caught.value.code.name == "INVALID_ARGUMENT"
    return caught.value.text


@pytest.mark.parametrize("encode", [as_content, tf.make_tensor_proto, lambda a: to_proto(a, proto_dtype(a))])
def test_all_types_through_a_model(servable, encode):
    inputs = {name: encode(value) for name, value in VALUES.items()}
    reply = predict(servable, request("echo", inputs), LIMIT)
    assert sorted(reply.outputs) == sorted(VALUES)
    for name, value in VALUES.items():
        proto = reply.outputs[name]
        assert [field.name for field, _ in proto.ListFields()] == ["dtype", "tensor_shape", FIELDS[name]], name
        np.testing.assert_array_equal(tf.make_ndarray(proto), value, err_msg=name)


def proto_dtype(array):
    return tf.as_dtype(tf.string if array.dtype == object else array.dtype).as_datatype_enum


@pytest.mark.parametrize("name", sorted(VALUES))
def test_scalars(servable, name):
    inputs = {other: tf.make_tensor_proto(value[0, 0], tf.as_dtype(other)) for other, value in VALUES.items()}
    reply = predict(servable, request("echo", inputs, outputs=[name]), LIMIT).outputs[name]
    assert len(reply.tensor_shape.dim) == 0
    assert tf.make_ndarray(reply) == VALUES[name][0, 0]


def test_the_last_value_stands_for_all_that_follow():
    proto = tensor_pb2.TensorProto(dtype=1, float_val=[1, 2.5], tensor_shape={"dim": [{"size": 2}, {"size": 2}]})
    np.testing.assert_array_equal(read(proto), [[1, 2.5], [2.5, 2.5]])
    proto = tensor_pb2.TensorProto(dtype=7, string_val=[b"ab"], tensor_shape={"dim": [{"size": 3}]})
    np.testing.assert_array_equal(read(proto, dtype="string"), [b"ab"] * 3)


def test_no_value_at_all_stands_for_zeros():
    shape = {"dim": [{"size": 2}]}
    np.testing.assert_array_equal(read(tensor_pb2.TensorProto(dtype=1, tensor_shape=shape)), [0, 0])
    np.testing.assert_array_equal(
        tf.constant(read(tensor_pb2.TensorProto(dtype=7, tensor_shape=shape), dtype="string")), [b"", b""]
    )


def test_strings_in_tensor_content():
    # Lengths as varints, then the bytes: what Tensor::AsProtoTensorContent writes.
    proto = tensor_pb2.TensorProto(dtype=7, tensor_content=b"\x01\x02abc", tensor_shape={"dim": [{"size": 2}]})
    np.testing.assert_array_equal(read(proto, dtype="string"), [b"a", b"bc"])
    proto.tensor_content = b"\x01\x09abc"
    assert "do not fit" in refusal(proto, dtype="string")


def shaped(*sizes, **fields):
    proto = tensor_pb2.TensorProto(**({"dtype": 1} | fields))
    for size in sizes:
        proto.tensor_shape.dim.add(size=size)
    return proto


@pytest.mark.parametrize(
    ("proto", "text"),
    [
        (shaped(-1, float_val=[1]), r"its shape [-1] is not one of a tensor"),
        (shaped(*[1] * 255, float_val=[1]), "is not one of a tensor"),
        (shaped(10**9, 10**9, float_val=[1]), "it would take more than 1048576 bytes"),
        (shaped(2**62, 2**62, 2**62), "it would take more than"),
        (shaped(0, 2**62), "it would take more than"),
        (shaped(2, tensor_content=b"1234567"), "tensor_content has 7 bytes, its shape needs 8"),
        (shaped(2, float_val=[1, 2, 3]), "it has 3 values, its shape [2] only 2"),
    ],
)
def test_what_is_no_tensor(proto, text):
    message = refusal(proto)
    assert message.startswith("tensor parsing error: x (")
    assert text in message


def test_unknown_rank():
    proto = tensor_pb2.TensorProto(dtype=1, tensor_shape={"unknown_rank": True})
    assert "not one of a tensor" in refusal(proto)


def test_a_repeated_string_counts_as_often_as_it_is_repeated():
    proto = shaped(1000, dtype=7, string_val=[b"a" * 10_000])
    assert "it would take more than" in refusal(proto, dtype="string")


def test_types_that_are_no_types():
    assert refusal(shaped(dtype=0)) == "input x is of no type, but the signature expects float32"
    assert "expects float32" in refusal(shaped(dtype=99))
    assert "cannot be received" in refusal(shaped(dtype=20), dtype="resource")
    assert "expects float32" in refusal(shaped(dtype=101, float_val=[1]))


def test_static_sizes_are_checked():
    proto = shaped(2, 3, float_val=[1])
    assert refusal(proto, shape=[None, 4]) == "input x has shape [2,3], but the signature expects [?,4]"
    assert read(proto, shape=[None, 3]).shape == (2, 3)


def test_an_output_that_cannot_be_sent():
    with pytest.raises(ServingError, match="outputs of type resource cannot be sent"):
        to_proto(np.zeros(1), tf.resource.as_datatype_enum)
