"""The server as a process: its command line, and SIGTERM."""

import ctypes
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from serving.runtime.protos import get_model_status_pb2, model_service_pb2_grpc, prediction_service_pb2_grpc
from serving.server import Server
from serving.server.command import main
from tests.command_line import command_line
from tests.serving.running_server import PATIENCE
from tests.serving.versions_on_disk import MODEL, Held, put_version, recommend_inputs, request

HEALTH = health_pb2.HealthCheckResponse


def test_sigterm_lets_requests_under_way_finish(tmp_path):
    put_version(tmp_path / MODEL, 1)
    held = Held(tmp_path)
    command = [sys.executable, "-m", "serving.server", "--directory", str(tmp_path), "--port", "0"]
    command += ["--grace-seconds", str(PATIENCE)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    killer = threading.Timer(PATIENCE, process.kill)
    killer.start()
    try:
        line = process.stdout.readline()
        port = re.fullmatch(r"Serving shop on 127\.0\.0\.1:(\d+)\n", line).group(1)
        assert process.stdout.readline() == "Ready: shop version 1 answers\n"
        with grpc.insecure_channel(f"127.0.0.1:{port}", [("grpc.enable_http_proxy", 0)]) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            watches = [health.Watch(health_pb2.HealthCheckRequest(service=service)) for service in ("", MODEL)]
            for watch in watches:
                while next(watch).status != HEALTH.SERVING:
                    pass
            prediction = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            assert (
                prediction.Predict(request("recommend", recommend_inputs()), timeout=60).model_spec.version.value == 1
            )
            under_way = prediction.Predict.future(held.request)
            # The answer to a later call on the same connection tells that the server has the one before.
            status = get_model_status_pb2.GetModelStatusRequest(model_spec={"name": MODEL})
            model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(status, timeout=60)
            process.send_signal(signal.SIGTERM)
            assert [next(watch).status for watch in watches] == [HEALTH.NOT_SERVING] * 2
            assert not under_way.done()
            held.let_go()
            assert "turns" in under_way.result().outputs
            _, errors = process.communicate()
            assert process.returncode == 0
            with pytest.raises(grpc.RpcError) as caught:
                prediction.Predict(request("recommend", recommend_inputs()), timeout=60)
            assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    finally:
        held.let_go()
        killer.cancel()
        process.kill()
        process.wait()
    assert "Traceback" not in errors
    lines = errors.splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\d [\d:,]+ INFO serving\.", line) for line in lines), errors
    assert [line.split(": ", 1)[1] for line in lines][-1] == "stopped"


def test_sigterm_ends_the_server_whichever_thread_is_given_it(tmp_path):
    put_version(tmp_path / MODEL, 1)
    command = [sys.executable, "-m", "serving.server", "--directory", str(tmp_path), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        killer = threading.Timer(PATIENCE, process.kill)
        killer.start()
        try:
            assert process.stdout.readline()
            other = max(int(thread.name) for thread in Path(f"/proc/{process.pid}/task").iterdir())
            assert other != process.pid
            libc = ctypes.CDLL(None, use_errno=True)
            assert libc.tgkill(process.pid, other, signal.SIGTERM) == 0
            assert process.wait() == 0
        finally:
            killer.cancel()
            process.kill()


@pytest.mark.parametrize("option", ["--port", "--rest-port", "--metrics-port"])
def test_a_port_in_use_is_one_line(tmp_path, option):
    put_version(tmp_path / MODEL, 1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ports = {"--port": "0"} | {option: port}
        arguments = [word for pair in ports.items() for word in pair]
        command = [sys.executable, "-m", "serving.server", "--directory", str(tmp_path), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    what = {"--port": "", "--rest-port": " for REST", "--metrics-port": " for metrics"}[option]
    assert re.fullmatch(
        rf"Error: Cannot listen on 127\.0\.0\.1:{port}{what}: Address already in use\..*\n", done.stderr
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--port", "99999"], "Invalid value for '--port': 99999 is not in the range 0<=x<=65535."),
        (["--model-name", "a/b"], "Invalid value for '--model-name': String should match pattern"),
        ([], "holds no model: expected"),
    ],
)
def test_settings_that_make_no_sense_are_told_in_words(tmp_path, arguments, words):
    result = command_line().invoke(main, ["--directory", str(tmp_path), *arguments], obj=Server)
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr
    assert result.stderr.startswith("Error: ") and result.stderr.count("\n") == 1
