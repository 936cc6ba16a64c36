"""What the server logs as JSON: events with model and version, and nothing of what users have seen."""

import json
import subprocess
import sys
import threading

import grpc
import pytest
from tensorflow_serving.apis import prediction_service_pb2_grpc

from tests.serving.running_server import PATIENCE
from tests.serving.stock_client import StockClient
from tests.serving.versions_on_disk import MODEL, put_version, recommend_inputs, request

SECRET = "what-the-user-has-seen"


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    """The log of a server with a bad version that was asked well, badly, and for what cannot be answered."""
    base = tmp_path_factory.mktemp("served")
    put_version(base / MODEL, 1)
    (base / MODEL / "9").mkdir()
    command = [sys.executable, "-m", "serving.server", "--directory", str(base), "--port", "0", "--log-format", "json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    killer = threading.Timer(PATIENCE, process.kill)
    killer.start()
    try:
        port = int(process.stdout.readline().rpartition(":")[2])
        with StockClient(port) as client:
            while client.status(name=MODEL).get(1) != "AVAILABLE":
                pass
            _ask(client)
        process.terminate()
        _, errors = process.communicate()
    finally:
        killer.cancel()
        process.kill()
        process.wait()
    return [json.loads(line) for line in errors.splitlines()]


def _ask(client):
    stub = prediction_service_pb2_grpc.PredictionServiceStub(client.channel)
    inputs = recommend_inputs(history=[[SECRET, SECRET], ["", ""]])
    assert stub.Predict(request("recommend", inputs), timeout=60).outputs
    with pytest.raises(grpc.RpcError):
        stub.Predict(request("recommend", {**inputs, "k": -1}), timeout=60)
    broken = request("__saved_model_init_op", inputs)
    with pytest.raises(grpc.RpcError) as caught:
        stub.Predict(broken, timeout=60, metadata=[("x-request-id", "from-the-caller-7")])
    assert caught.value.code() == grpc.StatusCode.INTERNAL
    assert dict(caught.value.trailing_metadata())["x-request-id"] == "from-the-caller-7"
    with pytest.raises(grpc.RpcError) as caught:
        stub.Predict(broken, timeout=60, metadata=[("x-request-id", "no id\x7e")])
    assert len(dict(caught.value.trailing_metadata())["x-request-id"]) == 32
    call = client.channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    with pytest.raises(grpc.RpcError):
        call(SECRET.encode(), timeout=60)


def _events(lines, event):
    return [line for line in lines if line.get("event") == event]


def test_every_line_says_when_how_grave_and_from_where(lines):
    for line in lines:
        assert {"time", "level", "logger", "message"} <= line.keys()


def test_what_happens_to_versions(lines):
    (available,) = _events(lines, "version_available")
    assert (available["model"], available["version"], available["level"]) == (MODEL, 1, "INFO")
    (refused,) = _events(lines, "version_refused")
    assert (refused["model"], refused["version"], refused["level"]) == (MODEL, 9, "WARNING")
    assert "no assets.extra/manifest.json" in refused["reason"]
    assert [line["event"] for line in lines if line.get("event") in ("listening", "draining", "stopped")] == [
        "listening", "draining", "stopped",
    ]  # fmt: skip


def test_a_request_that_fails_inside_is_found_by_its_id(lines):
    given, made = _events(lines, "request_failed")
    assert given["request_id"] == "from-the-caller-7"
    assert (given["method"], given["model"], given["level"]) == ("Predict", MODEL, "ERROR")
    assert "Expected prediction signature method_name" in given["message"]
    assert len(made["request_id"]) == 32


def test_nothing_of_a_request_is_logged(lines):
    assert SECRET not in json.dumps(lines)
