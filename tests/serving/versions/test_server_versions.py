"""Version folders while a server runs: hot reload under load, refused bundles, drain, and versions that go away."""

import os
import shutil
import threading

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from serving.bundle import manifest
from serving.runtime.protos import get_model_status_pb2, model_service_pb2_grpc, prediction_service_pb2_grpc
from serving.server import Server
from tests.serving.running_server import DIRECT, POLL, answer, reason, refused, states, wait_for
from tests.serving.versions_on_disk import FIELDS, MODEL, put_version, recommend_inputs, request

STATES = get_model_status_pb2.ModelVersionStatus.State


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
            model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(message, timeout=60).model_version_status
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
            lambda: (
                health.Check(health_pb2.HealthCheckRequest(), timeout=60).status
                == health_pb2.HealthCheckResponse.NOT_SERVING
            )
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
