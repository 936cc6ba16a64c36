"""The protocol over the wire, with the stock stubs and nothing of ours on the client's side."""

import grpc
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import any_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from serving.server import Server
from serving.services.health import SERVICES
from tests.serving.versions_on_disk import MODEL, put_version, recommend_inputs, request

DIRECT = [("grpc.enable_http_proxy", 0), ("grpc.max_receive_message_length", -1)]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    directory = tmp_path_factory.mktemp("served")
    put_version(directory / MODEL, 5)
    with Server(directory, MODEL, max_message_bytes=1 << 20, max_tensor_bytes=1 << 20) as running:
        running.wait_until_available()
        yield running


@pytest.fixture(scope="module")
def channel(server):
    with grpc.insecure_channel(f"127.0.0.1:{server.port}", DIRECT) as open_channel:
        yield open_channel


@pytest.fixture(scope="module")
def prediction(channel):
    return prediction_service_pb2_grpc.PredictionServiceStub(channel)


@pytest.fixture(scope="module")
def models(channel):
    return model_service_pb2_grpc.ModelServiceStub(channel)


def error_of(call, message):
    with pytest.raises(grpc.RpcError) as caught:
        call(message, timeout=60)
    assert "Traceback" not in caught.value.details()
    assert 'File "' not in caught.value.details()
    return caught.value.code().name, caught.value.details()


def test_predict(prediction):
    reply = prediction.Predict(request("recommend", recommend_inputs()), timeout=60)
    assert (reply.model_spec.name, reply.model_spec.version.value) == (MODEL, 5)
    assert reply.model_spec.signature_name == "recommend"
    assert sorted(reply.outputs) == ["because", "fallback", "interest", "item_ids", "scores", "valid"]
    assert list(reply.outputs["item_ids"].string_val) == [b"v5-0", b"v5-1", b"v5-2"] * 2
    assert list(reply.outputs["scores"].float_val) == [1.25, 0.25, -0.75, -0.25, -1.25, -2.25]
    assert [dim.size for dim in reply.outputs["scores"].tensor_shape.dim] == [2, 3]
    assert list(reply.outputs["interest"].int_val) == [0, 1, 2, 0, 1, 2]
    assert list(reply.outputs["because"].string_val) == [b"a,b|Kyoto|x"] * 3 + [b",||"] * 3
    assert list(reply.outputs["valid"].bool_val) == [True] * 6
    assert list(reply.outputs["fallback"].bool_val) == [False, True]


def test_no_signature_name_is_serving_default(prediction):
    reply = prediction.Predict(request("", {"examples": ["abc", ""]}), timeout=60)
    assert reply.model_spec.signature_name == "serving_default"
    assert list(reply.outputs["length"].int_val) == [3, 0]


def test_a_specific_version(prediction):
    message = request("serving_default", {"examples": ["abc"]})
    message.model_spec.version.value = 5
    assert prediction.Predict(message, timeout=60).model_spec.version.value == 5


def test_output_filter(prediction):
    message = request("recommend", recommend_inputs(), outputs=["scores", "fallback"])
    assert sorted(prediction.Predict(message, timeout=60).outputs) == ["fallback", "scores"]


def test_an_empty_batch(prediction):
    inputs = recommend_inputs(
        history=np.zeros([0, 1], object),
        history_time=np.zeros([0, 1], np.int64),
        user_city=np.zeros([0, 1], object),
        user_age=np.zeros([0, 1], np.float32),
        exclude=np.zeros([0, 1], object),
    )
    reply = prediction.Predict(request("recommend", inputs), timeout=60)
    assert [dim.size for dim in reply.outputs["item_ids"].tensor_shape.dim] == [0, 3]


def _without_spec():
    message = request("recommend", recommend_inputs())
    message.ClearField("model_spec")
    return message


def _with_spec(**spec):
    message = request("recommend", recommend_inputs())
    version = spec.pop("version", None)
    for name, value in spec.items():
        setattr(message.model_spec, name, value)
    if version is not None:
        message.model_spec.version.value = version
    return message


def _without_input(name):
    inputs = recommend_inputs()
    del inputs[name]
    return inputs


ALL_INPUTS = "diversity,exclude,exclude_history,history,history_time,k,user_age,user_city"


@pytest.mark.parametrize(
    ("message", "code", "text"),
    [
        (_with_spec(name="nope"), "NOT_FOUND", "Servable not found for request: Latest(nope)"),
        (_with_spec(version=77), "NOT_FOUND", "Servable not found for request: Specific(shop, 77)"),
        (_with_spec(signature_name="x"), "FAILED_PRECONDITION", 'Serving signature key "x" not found.'),
        (_without_spec(), "INVALID_ARGUMENT", "Missing ModelSpec"),
        (_with_spec(name=""), "INVALID_ARGUMENT", "ModelSpec has no name specified."),
        (_with_spec(version_label="canary"), "INVALID_ARGUMENT", "Unrecognized servable version label: canary"),
        (
            _with_spec(signature_name="__saved_model_init_op"),
            "INTERNAL",
            "Expected prediction signature method_name to be one of {tensorflow/serving/predict, "
            "tensorflow/serving/classify, tensorflow/serving/regress}. Was: ",
        ),
        (
            request("recommend", _without_input("k")),
            "INVALID_ARGUMENT",
            "input size does not match signature: 7!=8 "
            f"len({{{ALL_INPUTS.replace('k,', '')}}}) != len({{{ALL_INPUTS}}}). "
            "Sent extra: {}. Missing but required: {k}.",
        ),
        (
            request("recommend", recommend_inputs(colour="red")),
            "INVALID_ARGUMENT",
            f"input size does not match signature: 9!=8 len({{colour,{ALL_INPUTS}}}) != len({{{ALL_INPUTS}}}). "
            "Sent extra: {colour}. Missing but required: {}.",
        ),
        (
            request("serving_default", {"example": ["a"]}),
            "INVALID_ARGUMENT",
            "Signature input alias: examples(feed name: serving_default_examples:0) not found in request and no "
            "default value provided. Inputs expected to be in the request {example}, or default input alias set: {}",
        ),
        (
            request("serving_default", {"examples": ["a"]}, outputs=["size"]),
            "INVALID_ARGUMENT",
            "output tensor alias not found in signature: size Outputs expected to be in the set {length}.",
        ),
        (
            request("serving_default", {"examples": ["a"]}, outputs=["length", "length"]),
            "INVALID_ARGUMENT",
            "duplicate output tensor alias: length",
        ),
        (
            request("serving_default", {"examples": [1.0]}),
            "INVALID_ARGUMENT",
            "input examples is float32, but the signature expects string",
        ),
        (
            request("serving_default", {"examples": [["a", "b"]]}),
            "INVALID_ARGUMENT",
            "input examples has shape [1,2], but the signature expects [?]",
        ),
    ],
)
def test_predict_refuses(prediction, message, code, text):
    assert error_of(prediction.Predict, message) == (code, text)


def test_an_error_of_the_model_keeps_its_code_and_its_words(prediction):
    code, text = error_of(prediction.Predict, request("recommend", recommend_inputs(k=-1)))
    assert code == "INVALID_ARGUMENT"
    assert text.startswith("assertion failed: [k has to be at least 1]")


def test_a_long_name_does_not_hide_the_error(prediction):
    code, text = error_of(prediction.Predict, _with_spec(name="n" * 100_000))
    assert (code, len(text)) == ("NOT_FOUND", 1024)


def test_a_request_larger_than_the_limit(prediction):
    code, _ = error_of(prediction.Predict, request("serving_default", {"examples": ["a" * (2 << 20)]}))
    assert code == "RESOURCE_EXHAUSTED"


def test_metadata(prediction):
    message = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    message.model_spec.name = MODEL
    reply = prediction.GetModelMetadata(message, timeout=60)
    assert (reply.model_spec.name, reply.model_spec.version.value) == (MODEL, 5)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    packed: any_pb2.Any = reply.metadata["signature_def"]
    assert packed.Unpack(signatures)
    examples = signatures.signature_def["serving_default"].inputs["examples"]
    assert (examples.dtype, [dim.size for dim in examples.tensor_shape.dim]) == (tf.string.as_datatype_enum, [-1])


@pytest.mark.parametrize(
    ("name", "fields", "code", "text"),
    [
        (None, ["signature_def"], "INVALID_ARGUMENT", "Missing ModelSpec"),
        (MODEL, [], "INVALID_ARGUMENT", "GetModelMetadataRequest must specify at least one metadata_field"),
        (MODEL, ["signature_def", "x"], "INVALID_ARGUMENT", "Metadata field x is not supported"),
        ("nope", ["signature_def"], "NOT_FOUND", "Servable not found for request: Latest(nope)"),
    ],
)
def test_metadata_refuses(prediction, name, fields, code, text):
    message = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields)
    if name is not None:
        message.model_spec.name = name
    assert error_of(prediction.GetModelMetadata, message) == (code, text)


def test_status(models):
    message = get_model_status_pb2.GetModelStatusRequest()
    message.model_spec.name = MODEL
    (version,) = models.GetModelStatus(message, timeout=60).model_version_status
    assert (version.version, version.state) == (5, get_model_status_pb2.ModelVersionStatus.AVAILABLE)
    assert version.HasField("status")
    assert (version.status.error_code, version.status.error_message) == (0, "")


@pytest.mark.parametrize(
    ("spec", "code", "text"),
    [
        (None, "INVALID_ARGUMENT", "Missing ModelSpec"),
        ({"name": "nope"}, "NOT_FOUND", "Could not find any versions of model nope"),
        ({"name": MODEL, "version": {"value": 77}}, "NOT_FOUND", "Could not find version 77 of model shop"),
    ],
)
def test_status_refuses(models, spec, code, text):
    message = get_model_status_pb2.GetModelStatusRequest(model_spec=spec)
    assert error_of(models.GetModelStatus, message) == (code, text)


def test_what_is_not_offered_says_so(prediction):
    for call, message in (
        (prediction.Classify, classification_pb2.ClassificationRequest()),
        (prediction.Regress, regression_pb2.RegressionRequest()),
        (prediction.MultiInference, inference_pb2.MultiInferenceRequest()),
    ):
        code, text = error_of(call, message)
        assert code == "UNIMPLEMENTED"
        assert "is not offered" in text


def test_an_unexpected_error_is_logged_and_told_without_its_inside(server, models, monkeypatch, caplog):
    def broken(name):
        raise RuntimeError("secret inside")

    monkeypatch.setattr(server.manager, "status", broken)
    code, text = error_of(models.GetModelStatus, get_model_status_pb2.GetModelStatusRequest(model_spec={"name": "x"}))
    assert (code, text) == ("INTERNAL", "Internal error in GetModelStatus; the server's log has the cause.")
    assert "secret inside" in caplog.text


def test_health(channel):
    stub = health_pb2_grpc.HealthStub(channel)
    for service in (*SERVICES, MODEL):
        reply = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=60)
        assert reply.status == health_pb2.HealthCheckResponse.SERVING
    code, _ = error_of(stub.Check, health_pb2.HealthCheckRequest(service="other"))
    assert code == "NOT_FOUND"


def test_bytes_that_are_no_message(channel):
    call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    code, _ = error_of(call, b"\xff\xff\xff\xff")
    assert code in ("INTERNAL", "INVALID_ARGUMENT")


def test_many_at_once(prediction):
    calls = [
        prediction.Predict.future(request("serving_default", {"examples": ["a" * size]}), timeout=60)
        for size in range(100)
    ]
    assert [call.result().outputs["length"].int_val[0] for call in calls] == list(range(100))


def test_the_reply_is_read_back_by_tensorflow(prediction):
    reply = prediction.Predict(request("recommend", recommend_inputs()), timeout=60)
    again = predict_pb2.PredictResponse.FromString(reply.SerializeToString())
    np.testing.assert_array_equal(
        tf.make_ndarray(again.outputs["scores"]), np.float32([[1.25, 0.25, -0.75], [-0.25, -1.25, -2.25]])
    )
