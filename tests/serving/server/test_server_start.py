"""What a server loads, how it gets ready, and how it stops: warm-up, the choice of SavedModel, health, limits."""

import logging
import shutil
import socket
import threading

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from serving.bundle import manifest
from serving.bundle.version_folders import find_models
from serving.runtime import servable
from serving.runtime.protos import prediction_service_pb2_grpc
from serving.server import Server
from tests.serving.running_server import DIRECT, PATIENCE, POLL, answer, reason, refused, states, wait_for
from tests.serving.versions_on_disk import (
    FIELDS,
    MODEL,
    put_version,
    put_warmup,
    recommend_inputs,
    request,
    template,
)
from trainer.errors import InputError


def count(by):
    return request("count", {"by": np.int64(by)}, model="any name")


def test_warm_up_has_been_run_before_a_version_is_available(tmp_path):
    put_version(tmp_path / MODEL, 1, warmup=[count(1), count(1), count(5)])
    with Server(tmp_path, MODEL, poll_seconds=POLL) as server:
        server.wait_until_available()
        with server.manager.use(MODEL) as (_, loaded):
            assert loaded.run("count", {"by": 0})["calls"] == 7


def test_a_version_that_fails_its_warm_up_is_refused(server, base):
    put_version(base, 2, warmup=[request("recommend", recommend_inputs()), request("recommend", {})])
    wait_for(lambda: refused(server, 2))
    assert reason(server, 2).startswith("warm-up record 2: input size does not match signature: 0!=8")
    put_version(base, 3, warmup=[count(0)] * 1001)
    wait_for(lambda: refused(server, 3))
    assert "Number of warmup records exceeds the maximum (1000)" in reason(server, 3)
    assert answer(server).model_spec.version.value == 1


def test_a_plain_saved_model_is_served_only_when_that_is_wanted(tmp_path):
    shutil.copytree(template(), tmp_path / MODEL / "1")
    put_warmup(tmp_path / MODEL / "1", [count(4)])
    with Server(tmp_path, MODEL, poll_seconds=POLL) as server:
        wait_for(lambda: refused(server, 1))
        with pytest.raises(TimeoutError, match=r"No version of shop is available .* no assets\.extra/manifest\.json"):
            server.wait_until_available(timeout=0)
    with Server(tmp_path, MODEL, poll_seconds=POLL, require_manifest=False) as server:
        server.wait_until_available()
        with server.manager.use(MODEL) as (_, loaded):
            assert loaded.run("count", {"by": 0})["calls"] == 4


@pytest.mark.parametrize(("ops_load", "answered"), [(True, b"v77-0"), (False, b"v2-0")])
def test_the_scann_model_is_chosen_if_its_ops_load(tmp_path, monkeypatch, ops_load, answered):
    version = put_version(tmp_path / MODEL, 2)
    shutil.copytree(put_version(tmp_path / "other", 77), version / "assets.extra" / "scann")
    manifest.write(version, **(FIELDS | {"kind": "scann"}))
    if not ops_load:
        monkeypatch.setattr(servable, "_scann_ops_load", lambda: False)
    with Server(tmp_path, MODEL, poll_seconds=POLL) as server:
        server.wait_until_available()
        assert answer(server).outputs["item_ids"].string_val[0] == answered


def test_a_server_that_cannot_have_one_of_its_ports_leaves_the_others(tmp_path):
    put_version(tmp_path / MODEL, 1)
    with socket.socket() as taken, socket.socket() as free:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        server = Server(tmp_path, MODEL, port=port, rest_port=taken.getsockname()[1])
        with pytest.raises(InputError, match="for REST: Address already in use"):
            server.start()
    with Server(tmp_path, MODEL, port=port) as again:
        again.wait_until_available()
        assert answer(again).model_spec.version.value == 1


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("203.0.113.7", "Cannot listen on 203.0.113.7:0: Cannot assign requested address"),
        ("no.such.host.invalid", "Cannot listen on no.such.host.invalid:0: "),
    ],
)
def test_an_address_of_another_machine_is_told(tmp_path, host, words):
    put_version(tmp_path / MODEL, 1)
    with pytest.raises(InputError, match=words):
        Server(tmp_path, MODEL, host=host).start()


def test_health_follows_the_server(tmp_path):
    (tmp_path / MODEL).mkdir()
    server = Server(tmp_path, MODEL, poll_seconds=POLL).start()
    with grpc.insecure_channel(f"127.0.0.1:{server.port}", DIRECT) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        name = health_pb2.HealthCheckResponse.ServingStatus.Name
        seen = [name(next(watch).status)]
        put_version(tmp_path / MODEL, 1)
        seen.append(name(next(watch).status))
        server.stop(grace=3600)
        seen += [name(reply.status) for reply in watch]
        assert seen == ["NOT_SERVING", "SERVING", "NOT_SERVING"]


def test_who_waited_for_a_model_finds_it_healthy(tmp_path, caplog):
    caplog.set_level(logging.INFO, "serving.versions")
    put_version(tmp_path / MODEL, 1)
    found = threading.Event()

    class SlowLog(logging.Handler):
        """Holds up the thread that has made a version available."""

        def emit(self, record):
            if record.getMessage().endswith(": available"):
                found.wait(timeout=PATIENCE)

    log, slow = logging.getLogger("serving.versions"), SlowLog()
    log.addHandler(slow)
    try:
        with Server(tmp_path, MODEL, poll_seconds=POLL) as server:
            server.wait_until_available()
            with grpc.insecure_channel(f"127.0.0.1:{server.port}", DIRECT) as channel:
                reply = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=MODEL))
            found.set()
        assert reply.status == health_pb2.HealthCheckResponse.SERVING
    finally:
        found.set()
        log.removeHandler(slow)


def test_a_request_that_does_not_end_does_not_hold_the_stop_up(base, held):
    server = Server(base.parent, MODEL, poll_seconds=POLL).start()
    server.wait_until_available()
    with grpc.insecure_channel(f"127.0.0.1:{server.port}", DIRECT) as channel:
        predict = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict
        call = predict.future(held.request)
        wait_for(lambda: server.manager.requests_under_way == 1)
        server.stop(grace=0.1)
        assert server.manager.requests_under_way == 1
        assert states(server) == {1: "UNLOADING"}
        assert call.code() is grpc.StatusCode.UNAVAILABLE
    held.let_go()
    wait_for(lambda: server.manager.requests_under_way == 0)


def test_several_models(tmp_path):
    put_version(tmp_path / "books", 1)
    put_version(tmp_path / "films", 20)
    (tmp_path / "notes").mkdir()
    with Server(tmp_path, poll_seconds=POLL) as server:
        server.wait_until_available()
        assert server.manager.model_names == ["books", "films"]
        assert (server.manager.available("books"), server.manager.available("films")) == (1, 20)


def test_which_models_a_directory_holds(tmp_path):
    put_version(tmp_path / "served" / "books", 1)
    served = tmp_path / "served"
    assert find_models(served) == {"books": served / "books"}
    assert find_models(served, "later") == {"later": served / "later"}
    assert find_models(served / "books") == {"books": served / "books"}
    assert find_models(served / "books", "name") == {"name": served / "books"}
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no model"):
        find_models(tmp_path / "empty")
    with pytest.raises(InputError, match="is not a directory"):
        find_models(tmp_path / "nowhere")


def test_more_requests_at_once_than_allowed(base, held):
    with Server(base.parent, MODEL, poll_seconds=POLL, max_concurrent=1) as server:
        server.wait_until_available()
        with grpc.insecure_channel(f"127.0.0.1:{server.port}", DIRECT) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            calls = [stub.Predict.future(held.request) for _ in range(2)]
            wait_for(lambda: any(call.done() for call in calls))
            held.let_go()
            codes = {call.code() for call in calls}
            assert codes == {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}


def test_a_port_in_use_is_told(server, base):
    second = Server(base.parent, MODEL, port=server.port)
    with pytest.raises(InputError, match=f"Cannot listen on 127.0.0.1:{server.port}"):
        second.start()
