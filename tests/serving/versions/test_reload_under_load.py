"""New versions of a real bundle while requests are joined to batches: none fails, bad versions change nothing."""

import os
import shutil
import threading

import grpc

from serving.runtime.protos import prediction_service_pb2_grpc
from serving.server import Server
from tests.serving.running_server import DIRECT, POLL, reason, states, wait_for
from tests.serving.toy_bundle import toy_bundle
from tests.serving.versions_on_disk import MODEL, recommend_inputs, request

THREADS, K = 6, 5
CORRUPT, HALF_WRITTEN, LAST = 3, 4, 6


def push(base, number):
    hidden = base / f".{number}"
    shutil.copytree(toy_bundle("scann").directory, hidden)
    if number == CORRUPT:
        (hidden / "assets.extra" / "scann" / "variables" / "variables.index").write_bytes(b"broken")
    if number == HALF_WRITTEN:
        (hidden / "assets.extra" / "manifest.json").unlink()
    os.rename(hidden, base / str(number))


def test_no_request_fails_while_versions_come_and_go(tmp_path):
    base = tmp_path / MODEL
    base.mkdir()
    push(base, 1)
    inputs = {name: value for name, value in recommend_inputs(k=K).items() if not name.startswith("user_")}
    message, stop, failed = request("recommend", inputs), threading.Event(), []
    versions = [[] for _ in range(THREADS)]

    def ask(port, seen):
        with grpc.insecure_channel(f"127.0.0.1:{port}", DIRECT) as channel:
            predict = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict
            while not stop.is_set():
                try:
                    reply = predict(message, timeout=60)
                except grpc.RpcError as error:
                    failed.append(error)
                    return
                seen.append((reply.model_spec.version.value, len(reply.outputs["item_ids"].string_val)))

    with Server(tmp_path, MODEL, poll_seconds=POLL) as server:
        server.wait_until_available()
        threads = [threading.Thread(target=ask, args=(server.port, seen)) for seen in versions]
        for thread in threads:
            thread.start()
        try:
            for number in range(2, LAST + 1):
                push(base, number)
                bad = number in (CORRUPT, HALF_WRITTEN)
                wait_for(
                    lambda number=number, bad=bad: (
                        reason(server, number) if bad else server.manager.available(MODEL) == number
                    )
                )
            wait_for(lambda: all(seen and seen[-1][0] == LAST for seen in versions))
            wait_for(lambda: states(server)[LAST - 1] == "END")
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert "variables/variables.index was changed" in reason(server, CORRUPT)
        assert "no assets.extra/manifest.json" in reason(server, HALF_WRITTEN)
    assert failed == []
    for seen in versions:
        numbers = [number for number, _ in seen]
        assert numbers == sorted(numbers)
        assert not {CORRUPT, HALF_WRITTEN} & set(numbers)
        assert {items for _, items in seen} == {2 * K}
