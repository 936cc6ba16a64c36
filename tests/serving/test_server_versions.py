"""Version folders: hot reload under load, refused bundles, drain, warm-up, and which SavedModel is chosen."""

import os
import shutil
import threading
import time

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from serving import manifest, servable
from serving.server import Server
from serving.tensorflow_runtime import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    prediction_service_pb2_grpc,
)
from serving.version_folders import find_models
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

POLL = 0.02
STATES = get_model_status_pb2.ModelVersionStatus.State
DIRECT = [("grpc.enable_http_proxy", 0)]


@pytest.fixture
def base(tmp_path):
    put_version(tmp_path / MODEL, 1)
    return tmp_path / MODEL


@pytest.fixture
def server(base):
    with Server(base.parent, MODEL, poll_seconds=POLL) as running:
        running.wait_until_available()
        yield running


def wait_for(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(POLL)


def states(server):
    return {version.number: version.state.name for version in server.manager.status(MODEL)}


def reason(server, number):
    return next(v.error.text for v in server.manager.status(MODEL) if v.number == number and v.error)


def refused(server, number):
    return any(v.number == number and v.error for v in server.manager.status(MODEL))


def answer(server):
    with grpc.insecure_channel(f"127.0.0.1:{server.port}", DIRECT) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        return stub.Predict(request("recommend", recommend_inputs(k=1)), timeout=30)


class Load:
    """Threads that ask again and again, and remember which version answered and what failed."""

    def __init__(self, server, threads=4):
        self.versions, self.errors, self._stop = [[] for _ in range(threads)], [], threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(server.port, seen)) for seen in self.versions]

    def _ask(self, port, seen):
        with grpc.insecure_channel(f"127.0.0.1:{port}", DIRECT) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            message = request("recommend", recommend_inputs(k=1))
            while not self._stop.is_set():
                try:
                    reply = stub.Predict(message, timeout=60)
                except grpc.RpcError as error:
                    self.errors.append(error)
                    return
                version = reply.model_spec.version.value
                assert list(reply.outputs["item_ids"].string_val) == [b"v%d-0" % version] * 2
                seen.append(version)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()


def test_new_versions_under_load_with_bad_ones_among_them(server, base):
    def corrupt(folder):
        (folder / "variables" / "variables.index").write_bytes(b"broken")

    with Load(server) as load:
        wait_for(lambda: all(load.versions))
        put_version(base, 2)
        wait_for(lambda: server.manager.available(MODEL) == 2)
        writing = base / "not-a-version"
        shutil.copytree(base / "1", writing)
        corrupt(writing)
        os.rename(writing, base / "3")
        wait_for(lambda: refused(server, 3))
        (base / "4").mkdir()
        wait_for(lambda: refused(server, 4))
        put_version(base, 5)
        wait_for(lambda: all(seen[-1] == 5 for seen in load.versions))
    assert load.errors == []
    assert {version for seen in load.versions for version in seen} == {1, 2, 5}
    assert all(seen == sorted(seen) for seen in load.versions)
    wait_for(lambda: states(server) == {1: "END", 2: "END", 3: "END", 4: "END", 5: "AVAILABLE"})
    assert "variables/variables.index was changed" in reason(server, 3)
    assert "no assets.extra/manifest.json" in reason(server, 4)


def test_the_reason_is_told_over_the_wire_and_logged_once(server, base, caplog):
    put_version(base, 2)
    wait_for(lambda: server.manager.available(MODEL) == 2)
    (base / "3").mkdir()
    wait_for(lambda: refused(server, 3))
    for _ in range(3):
        server.manager.poll()
    with grpc.insecure_channel(f"127.0.0.1:{server.port}", DIRECT) as channel:
        message = get_model_status_pb2.GetModelStatusRequest(model_spec={"name": MODEL, "version": {"value": 3}})
        (status,) = (
            model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(message, timeout=30).model_version_status
        )
    assert (status.state, status.status.error_code) == (STATES.Value("END"), 9)
    assert "no assets.extra/manifest.json" in status.status.error_message
    assert caplog.text.count("version 3: refused") == 1
    assert answer(server).model_spec.version.value == 2


def test_a_half_written_version_is_served_when_it_is_complete(server, base):
    put_version(base.parent / "elsewhere", 2)
    source, target = base.parent / "elsewhere" / "2", base / "2"
    target.mkdir()
    shutil.copytree(source / "variables", target / "variables")
    wait_for(lambda: refused(server, 2))
    shutil.copytree(source / "assets.extra", target / "assets.extra")
    wait_for(lambda: "assets/version.txt is missing" in reason(server, 2))
    assert answer(server).model_spec.version.value == 1
    shutil.copytree(source / "assets", target / "assets")
    for name in ("fingerprint.pb", "saved_model.pb"):
        shutil.copy(source / name, target / name)
    wait_for(lambda: server.manager.available(MODEL) == 2)


def test_a_graph_that_tensorflow_cannot_load_is_refused(server, base):
    put_version(base.parent / "elsewhere", 2)
    broken = base.parent / "elsewhere" / "2"
    (broken / "saved_model.pb").write_bytes(b"no graph")
    manifest.write(broken, **FIELDS)
    os.rename(broken, base / "2")
    wait_for(lambda: refused(server, 2))
    assert answer(server).model_spec.version.value == 1


def test_the_old_version_finishes_what_it_has_begun(server, base):
    with server.manager.use(MODEL) as (number, old):
        put_version(base, 2)
        wait_for(lambda: server.manager.available(MODEL) == 2)
        server.manager.poll()
        assert states(server) == {1: "UNLOADING", 2: "AVAILABLE"}
        assert number == 1
        assert old.run("serving_default", {"examples": ["abc"]})["length"].tolist() == [3]
    wait_for(lambda: states(server) == {1: "END", 2: "AVAILABLE"})


def test_a_removed_version_gives_way_to_the_newest_left(server, base):
    put_version(base, 2)
    wait_for(lambda: server.manager.available(MODEL) == 2)
    shutil.rmtree(base / "2")
    wait_for(lambda: server.manager.available(MODEL) == 1)
    assert answer(server).model_spec.version.value == 1


def test_when_all_versions_are_removed_the_model_is_unloaded(server, base):
    shutil.rmtree(base / "1")
    wait_for(lambda: server.manager.available(MODEL) is None)
    with pytest.raises(grpc.RpcError, match=r"Servable not found for request: Latest\(shop\)"):
        answer(server)
    with grpc.insecure_channel(f"127.0.0.1:{server.port}", DIRECT) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        wait_for(
            lambda: health.Check(health_pb2.HealthCheckRequest(), timeout=30).status
            == health_pb2.HealthCheckResponse.NOT_SERVING
        )
    put_version(base, 3)
    wait_for(lambda: server.manager.available(MODEL) == 3)


def test_what_is_served_stays_when_the_folder_cannot_be_read_or_holds_only_bad_versions(server, base):
    os.rename(base, base.parent / "gone")
    server.manager.poll()
    assert answer(server).model_spec.version.value == 1
    (base / "7").mkdir(parents=True)
    wait_for(lambda: refused(server, 7))
    assert answer(server).model_spec.version.value == 1


def test_keep_last_version(base):
    with Server(base.parent, MODEL, poll_seconds=POLL, keep_last_version=True) as server:
        server.wait_until_available()
        shutil.rmtree(base / "1")
        for _ in range(3):
            server.manager.poll()
        assert answer(server).model_spec.version.value == 1


def test_a_bad_newest_version_does_not_keep_an_older_good_one_from_being_served(base):
    (base / "9").mkdir()
    with Server(base.parent, MODEL, poll_seconds=POLL) as server:
        server.wait_until_available()
        assert states(server) == {9: "END", 1: "AVAILABLE"}


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


def test_a_request_that_does_not_end_does_not_hold_the_stop_up(base):
    server = Server(base.parent, MODEL, poll_seconds=POLL).start()
    server.wait_until_available()
    with server.manager.use(MODEL) as (_, loaded):
        server.stop(grace=0.1)
        assert server.manager.requests_under_way == 1
        assert states(server) == {1: "UNLOADING"}
        assert loaded.run("serving_default", {"examples": ["abc"]})["length"].tolist() == [3]
    assert server.manager.requests_under_way == 0


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


def test_more_requests_at_once_than_allowed(base):
    with Server(base.parent, MODEL, poll_seconds=POLL, max_concurrent=1) as server:
        server.wait_until_available()
        with grpc.insecure_channel(f"127.0.0.1:{server.port}", DIRECT) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            slow = request("slow", {"seconds": np.float64(2)})
            calls = [stub.Predict.future(slow, timeout=60) for _ in range(2)]
            codes = {call.code() for call in calls}
            assert codes == {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}


def test_a_port_in_use_is_told(server, base):
    second = Server(base.parent, MODEL, port=server.port)
    with pytest.raises(InputError, match=f"Cannot listen on 127.0.0.1:{server.port}"):
        second.start()
