"""The limits of a request, and that they are settings of the server."""

import click
import grpc
import pytest

from serving.errors import ServingError
from serving.limits import Limits
from serving.runtime.protos import prediction_service_pb2_grpc
from serving.server import Server
from serving.server.command import main
from serving.server_settings import ServerSettings
from tests.serving.running_server import DIRECT, POLL
from tests.serving.versions_on_disk import MODEL, recommend_inputs, request


@pytest.mark.parametrize("shape", [(), (2,), (2, 3), (0, 3), (2, 3, 3)])
def test_what_may_pass(shape):
    Limits(batch=2, list_length=3).check_shape("x", shape)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((3,), "input x has 3 rows; this server takes 2 in a request (max_batch)"),
        ((3, 1), "input x has 3 rows"),
        ((2, 4), "input x has 4 values in a row; this server takes 3 (max_list_length)"),
        ((2, 1, 4), "input x has 4 values in a row"),
        ((0, 2**62), f"input x has {2**62} values in a row"),
    ],
)
def test_what_may_not(shape, words):
    with pytest.raises(ServingError) as caught:
        Limits(batch=2, list_length=3).check_shape("x", shape)
    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT
    assert words in caught.value.text


def test_they_are_settings(base):
    with Server(base.parent, MODEL, poll_seconds=POLL, max_batch=2, max_list_length=2) as server:
        server.wait_until_available()
        with grpc.insecure_channel(f"127.0.0.1:{server.port}", DIRECT) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            assert stub.Predict(request("recommend", recommend_inputs()), timeout=60).outputs
            long, many = [["a", "b", "c"]] * 2, [["a"]] * 3
            for exclude, words in ((long, "(max_list_length)"), (many, "(max_batch)")):
                with pytest.raises(grpc.RpcError) as caught:
                    stub.Predict(request("recommend", recommend_inputs(exclude=exclude)), timeout=60)
                assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
                assert words in caught.value.details()


def test_the_command_line_has_the_defaults_of_the_settings():
    defaults = ServerSettings(directory="served").model_dump()
    options = {
        option.name: option.default for option in main.get_params(click.Context(main)) if option.name in defaults
    }
    limits = [name for name in options if name.startswith(("max_", "threads", "rest_"))]
    assert {"max_batch", "max_list_length", "max_message_bytes", "max_tensor_bytes", "max_concurrent"} <= set(limits)
    assert {name: options[name] for name in limits} == {name: defaults[name] for name in limits}


@pytest.mark.parametrize("limit", ["max_batch", "max_list_length", "max_concurrent", "threads"])
def test_none_can_be_nothing(limit):
    with pytest.raises(ValueError, match=limit):
        ServerSettings(directory="served", **{limit: 0})
