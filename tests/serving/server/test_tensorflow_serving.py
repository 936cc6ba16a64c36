"""What TensorFlow Serving answers: over the wire, with its published stubs and nothing of ours on the client's side."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import get_model_metadata_pb2

from serving.server import Server
from tests.serving.running_server import POLL, refused, wait_for
from tests.serving.runtime.test_server_tensors import FIELDS, VALUES, as_content
from tests.serving.stock_client import ALL, StockClient, labels, model, models
from tests.serving.versions_on_disk import MODEL, put_version, recommend_inputs, request

UNKNOWN = "Unrecognized servable version label"


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    directory = tmp_path_factory.mktemp("served")
    for number in (3, 4, 5):
        put_version(directory / "shop", number)
    put_version(directory / "films", 20)
    return directory


@pytest.fixture(scope="module")
def client(base):
    file = base / "models.config"
    shop = model("shop", base / "shop", ALL + labels(stable=4, canary=5, gone=77))
    file.write_text(models(shop, model("films", "films")))
    with Server(model_config_file=str(file), poll_seconds=POLL, max_message_bytes=2**31 - 1) as server:
        server.wait_until_available()
        wait_for(lambda: len([v for v in server.manager.status("shop") if v.state.name == "AVAILABLE"]) == 3)
        with StockClient(server.port) as stock:
            yield stock


def test_several_versions_by_number_and_by_label(client):
    assert [client.version("shop", version=number) for number in (3, 4, 5)] == [3, 4, 5]
    assert client.version("shop", version_label="stable") == 4
    assert client.version("shop", version_label="canary") == 5
    reply = client.predict(
        {name: tf.make_tensor_proto(value) for name, value in recommend_inputs(k=1).items()},
        ["item_ids"], name="shop", signature_name="recommend", version_label="canary",
    )  # fmt: skip
    assert list(reply.outputs) == ["item_ids"]
    assert list(reply.outputs["item_ids"].string_val) == [b"v5-0", b"v5-0"]


def test_no_version_is_the_stable_one_and_without_labels_the_newest(client):
    assert client.version("shop") == 4
    assert client.version("films") == 20


def test_metadata_of_a_version_and_of_a_label(client):
    for spec, number in (({"version": 3}, 3), ({"version_label": "canary"}, 5), ({}, 4)):
        reply = client.metadata(name="shop", **spec)
        assert reply.model_spec.version.value == number
        signatures = get_model_metadata_pb2.SignatureDefMap()
        assert reply.metadata["signature_def"].Unpack(signatures)
        assert signatures.signature_def["recommend"].outputs["scores"].dtype == tf.float32.as_datatype_enum


def test_status_of_all_of_one_and_of_a_label(client):
    assert client.status(name="shop") == {3: "AVAILABLE", 4: "AVAILABLE", 5: "AVAILABLE"}
    assert [entry.version for entry in client.statuses(name="shop")] == [5, 4, 3]
    assert client.status(name="shop", version=3) == {3: "AVAILABLE"}
    assert client.status(name="shop", version_label="stable") == {4: "AVAILABLE"}


@pytest.mark.parametrize(
    ("spec", "code", "text"),
    [
        ({"name": "shop", "version": 77}, "NOT_FOUND", "Servable not found for request: Specific(shop, 77)"),
        ({"name": "shop", "version_label": "gone"}, "NOT_FOUND", "Servable not found for request: Specific(shop, 77)"),
        ({"name": "shop", "version_label": "x"}, "INVALID_ARGUMENT", f"{UNKNOWN}: x"),
        (
            {"name": "nope", "version_label": "stable"},
            "INVALID_ARGUMENT",
            "Unrecognized servable version label: stable",
        ),
        ({"name": "nope"}, "NOT_FOUND", "Servable not found for request: Latest(nope)"),
    ],
)
def test_versions_and_labels_that_are_not_there(client, spec, code, text):
    assert client.error(client.version, **spec) == (code, text)
    assert client.error(client.metadata, **spec) == (code, text)


@pytest.mark.parametrize(
    ("spec", "code", "text"),
    [
        ({"name": "shop", "version_label": "gone"}, "NOT_FOUND", "Could not find version 77 of model shop"),
        ({"name": "shop", "version_label": "x"}, "INVALID_ARGUMENT", f"{UNKNOWN}: x"),
    ],
)
def test_status_of_labels_that_are_not_there(client, spec, code, text):
    assert client.error(client.status, **spec) == (code, text)


@pytest.mark.parametrize("encode", [tf.make_tensor_proto, as_content])
def test_every_type_in_every_encoding(client, encode):
    inputs = {name: encode(value) for name, value in VALUES.items()}
    reply = client.predict(inputs, name="films", signature_name="echo")
    assert sorted(reply.outputs) == sorted(VALUES)
    for name, value in VALUES.items():
        proto = reply.outputs[name]
        assert [field.name for field, _ in proto.ListFields()] == ["dtype", "tensor_shape", FIELDS[name]]
        np.testing.assert_array_equal(tf.make_ndarray(proto), value)


def _tensor(dtype, sizes, **values):
    return tensor_pb2.TensorProto(
        dtype=dtype.as_datatype_enum, tensor_shape={"dim": [{"size": size} for size in sizes]}, **values
    )


@pytest.mark.parametrize(
    ("examples", "lengths"),
    [
        (_tensor(tf.string, [3], string_val=[b"abc", b"", b"\x00\xff"]), [3, 0, 2]),
        (_tensor(tf.string, [3], tensor_content=b"\x03\x00\x02abc\x00\xff"), [3, 0, 2]),
        (_tensor(tf.string, [3], string_val=[b"abc"]), [3, 3, 3]),
        (_tensor(tf.string, [0]), []),
    ],
)
def test_strings(client, examples, lengths):
    reply = client.predict({"examples": examples}, name="films")
    assert list(reply.outputs["length"].int_val) == lengths


@pytest.mark.parametrize("ages", [{"float_val": [1.5, 2.5]}, {"tensor_content": np.float32([1.5, 2.5]).tobytes()}])
def test_floats(client, ages):
    inputs = {name: tf.make_tensor_proto(value) for name, value in recommend_inputs(k=1).items()}
    inputs["user_age"] = _tensor(tf.float32, [2, 1], **ages)
    reply = client.predict(inputs, name="films", signature_name="recommend")
    assert list(reply.outputs["scores"].float_val) == [1.25, 2.25]


def test_a_large_message_where_it_is_allowed(client):
    text = tf.make_tensor_proto(["a" * (20 << 20)])
    assert list(client.predict({"examples": text}, name="films").outputs["length"].int_val) == [20 << 20]


def test_warm_up_records(tmp_path):
    def count(by):
        return request("count", {"by": np.int64(by)})

    put_version(tmp_path / MODEL, 1, warmup=[count(1), count(5)])
    with Server(tmp_path, poll_seconds=POLL) as server, StockClient(server.port) as client:
        server.wait_until_available()
        by = {"by": tf.make_tensor_proto(np.int64(0))}
        assert list(client.predict(by, name=MODEL, signature_name="count").outputs["calls"].int64_val) == [6]
        put_version(tmp_path / MODEL, 2, warmup=[count(1), request("nothing", {})])
        wait_for(lambda: refused(server, 2))
        (status,) = client.statuses(name=MODEL, version=2)
        assert status.status.error_code == 9
        assert status.status.error_message == 'warm-up record 2: Serving signature key "nothing" not found.'
        assert client.version(MODEL) == 1


def test_at_most_a_thousand_warm_up_records(tmp_path):
    put_version(tmp_path / MODEL, 1, warmup=[request("count", {"by": np.int64(0)})] * 1001)
    with Server(tmp_path, poll_seconds=POLL) as server, StockClient(server.port) as client:
        wait_for(lambda: refused(server, 1))
        (status,) = client.statuses(name=MODEL)
        assert "Number of warmup records exceeds the maximum (1000)" in status.status.error_message
