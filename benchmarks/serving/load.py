"""A constant load on a server, and how long its answers take.

Open loop: requests leave at times drawn beforehand (Poisson), whether or not the ones before were answered, and a
latency counts from the time at which its request should have left. A server that stalls is not asked less meanwhile,
as it would be by clients that wait for their answers, and what a late generator adds is in the figures, too.
"""

import asyncio
import resource
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import grpc
import numpy as np
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from benchmarks.serving import made_up_model
from benchmarks.serving.server_process import ServerProcess

_DIRECT = [("grpc.enable_http_proxy", 0), ("grpc.max_receive_message_length", -1)]
_LEAST_BEHIND_PERCENTILE = 10
"""Answers that have to be slower than a percentile for it to be told."""


@dataclass
class Measured:
    """What a load saw.

    Attributes:
      rate: requests a second that were meant to leave.
      seconds: from the start to the last answer.
      latency: milliseconds from the time at which a request should have left to its answer; of answered requests.
      errors: status code -> number of requests.
      own_cpu: seconds of the generator.
    """

    rate: float
    seconds: float
    latency: np.ndarray
    errors: Counter[str] = field(default_factory=Counter)
    own_cpu: float = 0.0

    def percentile(self, share: float) -> str:
        """Latency in ms that ``share`` percent of the answers stay below; a dash if there are too few of them."""
        if len(self.latency) * (100 - share) / 100 < _LEAST_BEHIND_PERCENTILE:
            return "-"
        return f"{np.percentile(self.latency, share):.1f}"


def requests(items: int, k: int, users: int = 512) -> list[predict_pb2.PredictRequest]:
    """Requests of one user each: 50 items of history, which are excluded; k items wanted."""
    import tensorflow as tf

    made = []
    for history in made_up_model.histories(users, items):
        request = predict_pb2.PredictRequest()
        request.model_spec.name, request.model_spec.signature_name = made_up_model.MODEL, "recommend"
        inputs: dict[str, Any] = {
            "history": [history],
            "history_time": np.zeros([1, len(history)], np.int64),
            "exclude": [[""]],
            "exclude_history": True,
            "k": np.int32(k),
            "diversity": np.float32(0),
        }
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        made.append(request)
    return made


async def send(
    target: str, sent: Sequence[predict_pb2.PredictRequest], rate: float, seconds: float, timeout: float = 10.0
) -> Measured:
    """Sends the requests in turn, at ``rate`` a second for some seconds, and waits for the last answer."""
    due = np.cumsum(np.random.default_rng(2).exponential(1 / rate, int(rate * seconds)))
    done, errors = np.full(len(due), np.nan), Counter[str]()
    async with grpc.aio.insecure_channel(target, _DIRECT) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        await asyncio.gather(*(stub.Predict(request, timeout=timeout) for request in sent[:4]))

        async def ask(number: int) -> None:
            try:
                reply = await stub.Predict(sent[number % len(sent)], timeout=timeout)
            except grpc.aio.AioRpcError as error:
                errors[error.code().name] += 1
                return
            if reply.outputs["item_ids"].string_val:
                done[number] = time.perf_counter() - start
            else:
                errors["an empty answer"] += 1

        cpu, start, under_way = _cpu(), time.perf_counter(), set()
        for number, when in enumerate(due):
            if (left := when - (time.perf_counter() - start)) > 0:
                await asyncio.sleep(left)
            task = asyncio.ensure_future(ask(number))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        await asyncio.gather(*under_way)
        took, used = time.perf_counter() - start, _cpu() - cpu
    return Measured(rate, took, (done - due)[~np.isnan(done)] * 1000, errors, used)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


COLUMNS = (
    "asked/s | answered/s | p50 ms | p99 | p99.9 | largest | failed | server: cores | ms a request | generator: cores"
)


def row(measured: Measured, server_cpu: float) -> str:
    """A row of a Markdown table below :data:`COLUMNS`."""
    answered, seconds = len(measured.latency), measured.seconds
    latencies = [measured.percentile(share) for share in (50, 99, 99.9)]
    cells = [
        *(f"{measured.rate:g}", f"{answered / seconds:.0f}", *latencies, f"{measured.latency.max():.1f}"),
        ", ".join(f"{count} {code}" for code, count in measured.errors.items()) or "0",
        *(f"{server_cpu / seconds:.2f}", f"{server_cpu / max(answered, 1) * 1000:.2f}"),
        f"{measured.own_cpu / seconds:.2f}",
    ]
    return " | ".join(cells)


@click.command("load", help=__doc__)
@click.option("--root", type=click.Path(path_type=Path), required=True, help="Folder for the made-up bundle.")
@click.option("--items", default=1_000_000, show_default=True)
@click.option("--k", default=100, show_default=True, help="Items wanted.")
@click.option("--rate", "rates", type=float, multiple=True, default=(100, 300, 500), show_default=True)
@click.option("--seconds", default=30.0, show_default=True, help="A rate.")
@click.option("--batch-rows", type=int, multiple=True, default=(1, 32), show_default=True, help="1: off.")
@click.option("--server-options", default="", help="More options of python -m serving.server, in one text.")
def load_command(
    root: Path,
    items: int,
    k: int,
    rates: tuple[float, ...],
    seconds: float,
    batch_rows: tuple[int, ...],
    server_options: str,
) -> None:
    """Measures and prints."""
    bundle, sent = made_up_model.bundle(root, items), requests(items, k)
    print(f"{items:,} items, one user a request, top {k}, history of 50 excluded; {seconds:g} s a row\n")
    print(f"| batch rows | {COLUMNS} |\n|{'---|' * (2 + COLUMNS.count('|'))}")
    for rows in batch_rows:
        options = ["--batch-rows", str(rows), *server_options.split()]
        with ServerProcess(root / "served", made_up_model.MODEL, options) as server:
            server.push(bundle)
            server.wait_until_available()
            asyncio.run(send(server.target, sent, rates[0], 2.0))
            for rate in rates:
                before = server.cpu_seconds()
                measured = asyncio.run(send(server.target, sent, rate, seconds))
                print(f"| {rows} | {row(measured, server.cpu_seconds() - before)} |", flush=True)
