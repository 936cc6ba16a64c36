"""What tests ask of a server that runs in their process."""

import time

import grpc

from serving.runtime.protos import prediction_service_pb2_grpc
from tests.serving.versions_on_disk import MODEL, recommend_inputs, request

POLL = 0.02
PATIENCE = 600.0
"""Seconds after which what hangs is given up: loading a model takes over a minute where six others want two cores."""
DIRECT = [("grpc.enable_http_proxy", 0)]


def wait_for(condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(POLL)


def states(server):
    return {version.number: version.state.name for version in server.manager.status(MODEL)}


def reason(server, number):
    """Why a version is refused; nothing while it is being tried again."""
    return next((v.error.text for v in server.manager.status(MODEL) if v.number == number and v.error), "")


def refused(server, number):
    return any(v.number == number and v.error for v in server.manager.status(MODEL))


def answer(server):
    with grpc.insecure_channel(f"127.0.0.1:{server.port}", DIRECT) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        return stub.Predict(request("recommend", recommend_inputs(k=1)), timeout=60)
