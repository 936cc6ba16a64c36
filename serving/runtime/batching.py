"""Batches concurrent requests into one run of the graph.

Most of what a run costs does not depend on how many users it is for. While one run is under way, the requests that
arrive are collected, and the next run answers all of them: a server that is asked little runs each request at once, and
one that is asked much runs few large batches.

Runs happen in the threads of an executor, never in those that ask: what asks is an event loop, or a thread that waits.
A thread that has run a batch goes on with what came meanwhile.

What may stand in one batch is what the bundle's manifest says (:class:`serving.bundle.manifest.SignatureBatching`),
never a
guess: a signature that it does not name runs request by request.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Executor, Future
from typing import Any, NamedTuple

import grpc
import numpy.typing as npt

from serving.bundle.manifest import SignatureBatching
from serving.errors import ServingError
from serving.runtime.joining import join, kind_of, split

Outputs = dict[str, Any]
Run = Callable[[str, Mapping[str, npt.NDArray[Any]]], Outputs]
Wanted = Callable[[], bool]


class BatchLimits(NamedTuple):
    """How large batches become.

    Attributes:
      rows: users in a run, at most.
      wait: seconds that the oldest request of a batch waits for others, at most.
      runs: batches of one kind under way at the same time; what arrives meanwhile is collected.
    """

    rows: int
    wait: float = 0.0
    runs: int = 1


def always() -> bool:
    """Whether somebody waits for a request that no client sent, such as one of warm-up."""
    return True


class _Call:
    """A request, and where its answer goes."""

    def __init__(self, inputs: Mapping[str, npt.NDArray[Any]], rows: int, wanted: Wanted) -> None:
        self.inputs, self.rows, self._wanted, self.since = inputs, rows, wanted, time.monotonic()
        self.answer: Future[Outputs] = Future()

    def begin(self) -> bool:
        """Whether it is to be run: not if nobody waits for it. From here on it cannot be cancelled."""
        if not self.answer.set_running_or_notify_cancel():
            return False
        if self._wanted():
            return True
        self.answer.set_exception(
            ServingError(grpc.StatusCode.CANCELLED, "The client has gone or its deadline has passed: nothing was run.")
        )
        return False


class _Lane:
    """Requests of one kind, which may all stand in one batch.

    Attributes:
      waiting: oldest first.
      rows: of ``waiting``.
      runs: threads that run batches of it.
      collecting: one of them has not begun to run.
      enough: notified when the one that collects has a full batch.
    """

    def __init__(self, lock: threading.Lock) -> None:
        self.waiting: deque[_Call] = deque()
        self.rows = self.runs = 0
        self.collecting = False
        self.enough = threading.Condition(lock)

    def take(self) -> _Call:
        call = self.waiting.popleft()
        self.rows -= call.rows
        return call


class Batcher:
    """Runs the signatures of one model.

    Args:
      run: runs a signature once; called from several threads.
      batching: what may stand in one batch, by signature.
      limits: see :class:`BatchLimits`.
      executor: its threads run.
    """

    def __init__(
        self, run: Run, batching: Mapping[str, SignatureBatching], limits: BatchLimits, executor: Executor
    ) -> None:
        self._run, self._batching, self._limits, self._executor = run, batching, limits, executor
        self._lock = threading.Lock()
        self._lanes: dict[Hashable, _Lane] = {}

    def submit(
        self, signature: str, inputs: Mapping[str, npt.NDArray[Any]], wanted: Wanted = always
    ) -> Future[Outputs]:
        """Has one request answered, alone or in a batch.

        The answer does not depend on the neighbours, but for the last bits of floating point. If a batch fails, each of
        its requests is run alone: the error goes to the one that deserves it.

        Args:
          signature: its name.
          inputs: every input, of the signature's dtype and rank.
          wanted: whether the client still waits; asked just before the run.

        Returns:
          the answer to come, or the model's ServingError, or CANCELLED: nobody waited. While the request waits it can
          be cancelled.
        """
        batching = self._batching.get(signature)
        found = kind_of(batching, inputs) if batching else None
        if batching is None or found is None or found.rows >= self._limits.rows:
            call = _Call(inputs, 0, wanted)
            self._executor.submit(self._alone, signature, call)
            return call.answer
        kind, call = (signature, found.kind), _Call(inputs, found.rows, wanted)
        with self._lock:
            lane = self._lanes.setdefault(kind, _Lane(self._lock))
            lane.waiting.append(call)
            lane.rows += call.rows
            self._have_collected(signature, batching, kind, lane)
            if lane.rows >= self._limits.rows:
                lane.enough.notify()
        return call.answer

    def _alone(self, signature: str, call: _Call) -> None:
        if call.begin():
            self._answer_alone(signature, call)

    def _answer_alone(self, signature: str, call: _Call) -> None:
        try:
            outputs = self._run(signature, call.inputs)
        except Exception as error:
            call.answer.set_exception(error)
        else:
            call.answer.set_result(outputs)

    def _have_collected(self, signature: str, batching: SignatureBatching, kind: Hashable, lane: _Lane) -> None:
        """Has a thread take what waits, if one more may; the lock is held."""
        if lane.waiting and lane.runs < self._limits.runs and not lane.collecting:
            lane.runs += 1
            lane.collecting = True
            self._executor.submit(self._run_lane, signature, batching, kind, lane)

    def _run_lane(self, signature: str, batching: SignatureBatching, kind: Hashable, lane: _Lane) -> None:
        """Runs batches until nothing waits that another thread does not take."""
        while True:
            with self._lock:
                calls = self._collect(lane)
                lane.collecting = False
                self._have_collected(signature, batching, kind, lane)
            self._run_batch(signature, batching, [call for call in calls if call.begin()])
            with self._lock:
                if not lane.waiting or lane.collecting:
                    lane.runs -= 1
                    if not lane.waiting and not lane.runs:
                        del self._lanes[kind]
                    return
                lane.collecting = True

    def _collect(self, lane: _Lane) -> list[_Call]:
        """Those that wait, up to a full batch; the lock is held."""
        end = lane.waiting[0].since + self._limits.wait
        while lane.rows < self._limits.rows and (left := end - time.monotonic()) > 0:
            lane.enough.wait(left)
        calls = [lane.take()]
        rows = calls[0].rows
        while lane.waiting and rows + lane.waiting[0].rows <= self._limits.rows:
            rows += lane.waiting[0].rows
            calls.append(lane.take())
        return calls

    def _run_batch(self, signature: str, batching: SignatureBatching, calls: list[_Call]) -> None:
        if len(calls) == 1:
            self._answer_alone(signature, calls[0])
        if len(calls) < 2:
            return
        try:
            outputs = self._run(signature, join(batching, [call.inputs for call in calls]))
            parts = split(batching, outputs, [call.rows for call in calls])
        except Exception:
            for call in calls:
                self._executor.submit(self._answer_alone, signature, call)
        else:
            for call, part in zip(calls, parts, strict=True):
                call.answer.set_result(part)
