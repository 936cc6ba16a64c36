"""Requests joined to batches by a real server, and work that nobody waits for."""

import os
import shutil
import threading

import grpc
import numpy as np
import pytest

from serving.bundle import manifest
from serving.publish.writer import build_bundle
from serving.runtime.protos import prediction_service_pb2_grpc, tf
from serving.runtime.servable import Servable
from serving.server import Server
from serving.settings import IndexSettings, ServingSettings
from tests.serving.running_server import DIRECT, PATIENCE, POLL, wait_for
from tests.serving.toy_bundle import toy_bundle
from tests.serving.toy_model import ITEM_IDS
from tests.serving.toy_profile import save_toy_profile
from tests.serving.versions_on_disk import MODEL, put_version, request

THREADS = 16


class Runs:
    """Sees every run of a graph: its signature and rows. Those of one signature wait until they are let go."""

    def __init__(self, monkeypatch, server, held):
        self.seen, self.go, self._held = [], threading.Event(), held
        with server.manager.use(MODEL) as (_, servable):
            self._run = servable._run_now
            monkeypatch.setattr(servable._batcher, "_run", self._see)

    def _see(self, signature, inputs):
        self.seen.append((signature, len(inputs["examples" if "examples" in inputs else "history"])))
        if signature == self._held:
            assert self.go.wait(PATIENCE)
        return self._run(signature, inputs)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    base = tmp_path_factory.mktemp("batching")
    os.makedirs(base / MODEL)
    shutil.copytree(toy_bundle("scann").directory, base / MODEL / "1")
    with Server(base, MODEL, poll_seconds=POLL, threads=THREADS, metrics_port=0) as running:
        running.wait_until_available()
        yield running


@pytest.fixture(scope="module")
def stub(served):
    with grpc.insecure_channel(f"127.0.0.1:{served.port}", DIRECT) as channel:
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel)


def recommend(user, k=9):
    length, excluded = 1 + user % 5, 1 + user % 3
    history = [ITEM_IDS[(17 * user + 5 * place) % 299] for place in range(length)]
    inputs = {
        "history": [history],
        "history_time": np.arange(length, dtype=np.int64)[np.newaxis],
        "exclude": [[ITEM_IDS[(user + place) % 299] for place in range(excluded)]],
        "exclude_history": user % 2 == 0,
        "k": np.int32(k),
        "diversity": np.float32(0),
    }
    return request("recommend", inputs)


def waiting(server):
    """Requests that wait for a batch."""
    with server.manager.use(MODEL) as (_, servable):
        return sum(len(lane.waiting) for lane in list(servable._batcher._lanes.values()))


def held(stub, runs, messages, server):
    """Sends the first message, and the others when its run is under way; lets go when all of them wait."""
    calls = [stub.Predict.future(messages[0], timeout=60)]
    wait_for(lambda: runs.seen)
    calls += [stub.Predict.future(message, timeout=60) for message in messages[1:]]
    wait_for(lambda: waiting(server) == len(messages) - 1)
    runs.go.set()
    return calls


def assert_same(reply, alone):
    assert sorted(reply.outputs) == sorted(alone.outputs)
    for name, proto in reply.outputs.items():
        found, expected = tf.make_ndarray(proto), tf.make_ndarray(alone.outputs[name])
        if found.dtype == np.float32:
            np.testing.assert_allclose(found, expected, rtol=1e-5)
        else:
            np.testing.assert_array_equal(found, expected)


def test_requests_that_arrive_during_a_run_are_answered_by_the_next_as_if_alone(served, stub, monkeypatch):
    messages = [recommend(2 * user) for user in range(13)]
    alone = [stub.Predict(message, timeout=60) for message in messages]
    runs = Runs(monkeypatch, served, "recommend")
    replies = [call.result() for call in held(stub, runs, messages, served)]
    assert runs.seen == [("recommend", 1), ("recommend", 12)]
    for reply, expected in zip(replies, alone, strict=True):
        assert_same(reply, expected)


def test_only_requests_of_one_kind_are_joined(served, stub, monkeypatch):
    runs = Runs(monkeypatch, served, "recommend")
    messages = [recommend(0), recommend(2), recommend(4)]
    other = [recommend(0, k=3), recommend(1)]
    other_calls = [stub.Predict.future(message, timeout=60) for message in other]
    wait_for(lambda: len(runs.seen) == 2)
    calls = [stub.Predict.future(messages[0], timeout=60)]
    wait_for(lambda: len(runs.seen) == 3)
    calls += [stub.Predict.future(message, timeout=60) for message in messages[1:]]
    wait_for(lambda: waiting(served) == 2)
    runs.go.set()
    widths = [call.result().outputs["scores"].tensor_shape.dim[1].size for call in other_calls + calls]
    assert widths == [3, 9, 9, 9, 9]
    assert runs.seen == [("recommend", 1)] * 3 + [("recommend", 2)]


def test_a_bad_request_does_not_fail_its_neighbours(served, stub, monkeypatch):
    def example(*items):
        feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[item.encode() for item in items]))
        return tf.train.Example(features=tf.train.Features(feature={"history": feature})).SerializeToString()

    good = [
        request("serving_default", {"examples": [example(ITEM_IDS[user], ITEM_IDS[30 + user])]}) for user in range(5)
    ]
    alone = [stub.Predict(message, timeout=60) for message in good]
    bad = request("serving_default", {"examples": [b"no example"]})
    runs = Runs(monkeypatch, served, "serving_default")
    calls = held(stub, runs, [good[0], *good[1:3], bad, *good[3:]], served)
    assert calls[3].code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "Could not parse example" in calls[3].details()
    del calls[3]
    for call, expected in zip(calls, alone, strict=True):
        assert_same(call.result(), expected)
    assert [rows for _, rows in runs.seen] == [1, 5, 1, 1, 1, 1, 1]


def test_many_at_once_get_their_own_answers(stub):
    messages = [recommend(user) for user in range(40)]
    alone = [stub.Predict(message, timeout=60) for message in messages]
    calls = [stub.Predict.future(message, timeout=60) for message in messages * 5]
    for call, expected in zip(calls, alone * 5, strict=True):
        assert_same(call.result(), expected)


def test_a_request_whose_client_has_gone_is_taken_out_of_its_batch(served, stub, monkeypatch):
    runs = Runs(monkeypatch, served, "recommend")
    first = stub.Predict.future(recommend(0), timeout=60)
    wait_for(lambda: runs.seen)
    calls = [stub.Predict.future(recommend(2 * user), timeout=60) for user in range(1, 4)]
    wait_for(lambda: waiting(served) == 3)
    late = stub.Predict.future(recommend(8), timeout=0.2)
    calls[1].cancel()
    assert late.code() is grpc.StatusCode.DEADLINE_EXCEEDED

    def still_wanted():
        with served.manager.use(MODEL) as (_, servable):
            lanes = list(servable._batcher._lanes.values())
        return sum(not call.answer.cancelled() for lane in lanes for call in lane.waiting)

    wait_for(lambda: still_wanted() == 2)
    runs.go.set()
    assert [call.code() for call in (first, calls[0], calls[2])] == [grpc.StatusCode.OK] * 3
    assert runs.seen == [("recommend", 1), ("recommend", 2)]


@pytest.mark.parametrize("rows", [1, 32])
def test_a_request_that_waited_too_long_for_a_thread_is_not_run(tmp_path, rows, held):
    put_version(tmp_path / MODEL, 1)
    with Server(tmp_path, MODEL, poll_seconds=POLL, threads=1, batch_rows=rows) as server:
        server.wait_until_available()
        with grpc.insecure_channel(f"127.0.0.1:{server.port}", DIRECT) as channel:
            predict = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict
            first = predict.future(held.request)
            wait_for(lambda: server.manager.requests_under_way == 1)
            with pytest.raises(grpc.RpcError) as caught:
                predict(request("count", {"by": np.int64(1)}), timeout=0.1)
            assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            assert not first.done()
            held.let_go()
            assert predict(request("count", {"by": np.int64(0)}), timeout=60).outputs["calls"].int64_val == [0]


@pytest.mark.parametrize("kind", ["items", "profiles"])
def test_a_bundle_says_of_every_input_with_rows_how_it_is_joined(kind, tmp_path):
    bundle = toy_bundle("exact", profile=True).directory
    if kind == "profiles":
        save_toy_profile(tmp_path / "model")
        bundle = tmp_path / "bundle"
        build_bundle(str(tmp_path / "model"), str(bundle), IndexSettings(kind="exact"), ServingSettings())
    servable, batching = Servable(bundle), manifest.read(bundle).batching
    signatures = {name: signature for name, signature in servable.signatures.items() if signature.method_name}
    servable.close()
    assert set(batching) == set(signatures)
    for name, signature in signatures.items():
        with_rows = {alias for alias, info in signature.inputs.items() if info.tensor_shape.dim}
        named = {alias for group in batching[name].inputs for alias in group} | set(batching[name].shared_inputs)
        assert named == with_rows
        without_rows = {alias for alias, info in signature.outputs.items() if info.tensor_shape.dim[0].size != -1}
        assert set(batching[name].shared_outputs) == without_rows
