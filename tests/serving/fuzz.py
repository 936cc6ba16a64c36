"""Sends rubbish to a server in a process of its own, and counts what it answers.

``python -m tests.serving.fuzz --requests 100000`` prints a table of codes by kind and the server's memory.
"""

import collections
import contextlib
import itertools
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, NamedTuple

import click
import grpc
import hypothesis
from hypothesis import HealthCheck, Phase, given, settings

from serving.publish.writer import build_bundle
from serving.runtime.protos import get_model_metadata_pb2, predict_pb2, prediction_service_pb2_grpc, tf
from serving.settings import IndexSettings, ServingSettings
from tests.serving import toy_profile
from tests.serving.rubbish import SERVICES, Rubbish, Signatures, everything
from tests.serving.toy_bundle import toy_bundle

SENSIBLE = {
    *("OK", "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "UNIMPLEMENTED", "RESOURCE_EXHAUSTED"),
    *("200", "400", "404", "405", "413", "429", "501"),
}
UNREADABLE = {"INTERNAL: Exception deserializing request!"}
"""What gRPC itself says of bytes that are no message, in every language."""
NO_PREDICTION = "Expected prediction signature method_name"
"""TensorFlow Serving's words, under INTERNAL, of a signature that is none to be called."""
_OPTIONS = [
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
]
_SECONDS = 600.0
_AT_A_TIME = 4
_BATCH = 2000


class Outcome(NamedTuple):
    """How a request ended: a code, and the words of an error."""

    code: str
    words: str

    @property
    def sensible(self) -> bool:
        """Whether a client may be told so."""
        told = self.code == "INTERNAL" and (
            f"{self.code}: {self.words}" in UNREADABLE or self.words.startswith(NO_PREDICTION)
        )
        return (self.code in SENSIBLE or told) and "Traceback" not in self.words


class Target:
    """A server process with bundles of toy models, and connections to it.

    Args:
      folder: for the bundles.
    """

    def __init__(self, folder: Path) -> None:
        self._process = _start(folder)
        lines = [_line(self._process) for _ in range(2)]
        ports = [int(re.search(r":(\d+)", line)[1]) for line in lines]  # type: ignore[index]
        self._channel = grpc.insecure_channel(f"127.0.0.1:{ports[0]}", _OPTIONS)
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._http_port = ports[1]
        self._local = threading.local()
        self.signatures: Signatures = {
            (model, name): signature
            for model in ("shop", "profile")
            for name, signature in sorted(self._signatures(model).items())
            if signature.method_name
        }
        self._good = _good_request()
        self._expected = self._stub.Predict(self._good, timeout=_SECONDS)

    def send(self, rubbish: Rubbish) -> Outcome:
        """Sends a request and waits for its end."""
        message = rubbish.make()
        if rubbish.target in SERVICES:
            return self._grpc(rubbish.target, message)
        return self._http(*rubbish.target.split(" ", 1), message)

    def answers(self) -> bool:
        """Whether a good request gets the answer that it got at the start."""
        return self._stub.Predict(self._good, timeout=_SECONDS) == self._expected

    def memory(self, what: str = "VmRSS") -> int:
        """Bytes that the process holds, or (``VmHWM``) held at most."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(re.search(rf"{what}:\s+(\d+) kB", status)[1]) << 10  # type: ignore[index]

    def close(self) -> int:
        """Stops the server; returns what it ended with."""
        self._channel.close()
        self._process.terminate()
        return self._process.wait(_SECONDS)

    def kill(self) -> None:
        """Ends the server, however it stands."""
        self._process.kill()
        self._process.wait()

    def _signatures(self, model: str) -> Any:
        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        request.model_spec.name = model
        end = time.monotonic() + _SECONDS
        while True:
            try:
                reply = self._stub.GetModelMetadata(request, timeout=_SECONDS)
                break
            except grpc.RpcError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)
        told = get_model_metadata_pb2.SignatureDefMap()
        reply.metadata["signature_def"].Unpack(told)
        return told.signature_def

    def _grpc(self, method: str, message: bytes) -> Outcome:
        call = self._channel.unary_unary(f"/tensorflow.serving.{SERVICES[method]}/{method}")
        try:
            call(message, timeout=_SECONDS)
        except grpc.RpcError as error:
            return Outcome(error.code().name, error.details() or "")
        return Outcome("OK", "")

    def _http(self, method: str, path: str, body: bytes) -> Outcome:
        if not hasattr(self._local, "http"):
            self._local.http = HTTPConnection("127.0.0.1", self._http_port, timeout=_SECONDS)
        for again in (True, False):
            try:
                self._local.http.request(method, path, body)
                reply = self._local.http.getresponse()
                return Outcome(str(reply.status), reply.read().decode())
            except (HTTPException, ConnectionError):
                # A connection that was kept may have been closed meanwhile; a fresh one has no excuse.
                self._local.http.close()
                if not again:
                    raise
        raise AssertionError


class Report:
    """What came of it: requests by kind and code, and those that were answered as none may be."""

    def __init__(self) -> None:
        self.codes: collections.Counter[tuple[str, str]] = collections.Counter()
        self.wrong: list[tuple[Rubbish, Outcome]] = []

    @property
    def sent(self) -> int:
        """Requests."""
        return sum(self.codes.values())

    def table(self) -> str:
        """Requests by kind and code."""
        kinds, codes = (sorted({key[place] for key in self.codes}) for place in (0, 1))
        rows = [["", *codes], *([kind, *(str(self.codes[kind, code] or "") for code in codes)] for kind in kinds)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join("  ".join(map(str.rjust, row, widths)) for row in rows)


def generate(signatures: Signatures, requests: int, seed: int) -> list[Rubbish]:
    """The same requests for the same seed."""
    made: list[Rubbish] = []

    @settings(
        max_examples=max(requests // 20, 20),
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(everything(signatures))
    def collect(some: list[Rubbish]) -> None:
        made.extend(some)

    for part in itertools.count():
        if len(made) >= requests:
            return made[:requests]
        hypothesis.seed(seed * 1000 + part)(collect)()
    raise AssertionError


def fuzz(target: Target, made: list[Rubbish], report: Report) -> None:
    """Sends requests, several at a time.

    Raises:
      AssertionError: the server does not answer a good request any more.
    """
    with ThreadPoolExecutor(_AT_A_TIME) as threads:
        for rubbish, outcome in zip(made, threads.map(target.send, made), strict=True):
            report.codes[rubbish.kind, outcome.code] += 1
            if not outcome.sensible:
                report.wrong.append((rubbish, outcome))
    assert target.answers(), "a good request is answered differently"


@contextlib.contextmanager
def running() -> Iterator[Target]:
    """A server that is stopped afterwards, in order; its end is checked."""
    with tempfile.TemporaryDirectory(prefix="polyrec-fuzz-") as folder:
        target = Target(Path(folder))
        try:
            yield target
            assert target.close() == 0
        finally:
            target.kill()


def _start(folder: Path) -> subprocess.Popen:
    (folder / "served" / "shop").mkdir(parents=True)
    shutil.copytree(toy_bundle("scann", profile=True).directory, folder / "served" / "shop" / "1")
    toy_profile.save_toy_profile(folder / "trained")
    index = IndexSettings(kind="exact", max_k=400)
    (folder / "served" / "profile").mkdir()
    build_bundle(str(folder / "trained"), str(folder / "served" / "profile" / "1"), index, ServingSettings(default_k=5))
    command = [sys.executable, "-m", "serving.server", "--directory", str(folder / "served"), "--log-level", "ERROR"]
    return subprocess.Popen([*command, "--port", "0", "--rest-port", "0"], stdout=subprocess.PIPE, text=True)


def _line(process: subprocess.Popen) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def _good_request() -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "shop", "recommend"
    for name, value in {
        **{"history": [["item-3", "item-5"]], "history_time": tf.constant([[1, 2]], tf.int64), "exclude": [["item-9"]]},
        **{"exclude_history": True, "k": 5, "diversity": 0.25, "user_age": [[30.0]], "user_city": [["here"]]},
    }.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return request


@click.command(help="Sends rubbish to a server with toy models, and prints what it answered.")
@click.option("--requests", default=100_000, show_default=True)
@click.option("--seed", default=1, show_default=True, help="Other requests for another seed.")
def main(requests: int, seed: int) -> None:
    """The command line; ends with 1 if a request was answered as none may be."""
    report, started = Report(), time.monotonic()
    with running() as target, ThreadPoolExecutor(1) as maker:
        first, *others = [min(_BATCH, requests - done) for done in range(-_BATCH, requests, _BATCH)]
        fuzz(target, generate(target.signatures, first, seed), Report())
        before = target.memory()
        made = maker.submit(generate, target.signatures, others[0], seed + 1)
        for number, size in enumerate([*others[1:], 0], start=seed + 2):
            batch = made.result()
            if size:
                made = maker.submit(generate, target.signatures, size, number)
            fuzz(target, batch, report)
            click.echo(f"{report.sent} sent, server {target.memory() >> 20} MB", err=True)
        after, most = target.memory(), target.memory("VmHWM")
        click.echo(report.table())
        click.echo(f"{report.sent} requests in {time.monotonic() - started:.0f} s; the server still answers")
        click.echo(f"memory {before >> 20} MB before, {after >> 20} MB after, {most >> 20} MB at most")
    for rubbish, outcome in report.wrong[:20]:
        click.echo(f"wrong: {rubbish.kind} {rubbish.target[:80]} -> {outcome.code} {outcome.words[:300]}")
    raise SystemExit(1 if report.wrong else 0)


if __name__ == "__main__":
    main()
