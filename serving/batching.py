"""Requests that arrive together are answered by one run of the graph.

Most of what a run costs does not depend on how many users it is for. While one run is under way, the requests that
arrive are collected, and the next run answers all of them: a server that is asked little runs each request at once, and
one that is asked much runs few large batches.

The thread of the oldest request runs a batch, hands the others their rows, and passes the lead on to the oldest of
those that came meanwhile: there is no thread of its own, and nothing to start or to stop.

What may stand in one batch is what the bundle's manifest says (:class:`serving.manifest.SignatureBatching`), never a
guess: a signature that it does not name runs request by request.
"""

import enum
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from typing import Any, NamedTuple

import grpc
import numpy as np

from serving.joined_requests import join, kind_of, split
from serving.manifest import SignatureBatching
from serving.status import ServingError

Outputs = dict[str, Any]
Run = Callable[[str, Mapping[str, np.ndarray]], Outputs]
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


def check_wanted(wanted: Wanted) -> None:
    """Stops work that nobody waits for.

    Raises:
      ServingError: CANCELLED, the client has gone or its deadline has passed.
    """
    if not wanted():
        raise _nobody_waits()


class _Told(enum.Enum):
    LEAD = enum.auto()
    ANSWERED = enum.auto()
    FAILED = enum.auto()
    ALONE = enum.auto()


class _Call:
    """A request, and what its thread is told to do."""

    def __init__(self, inputs: Mapping[str, np.ndarray], rows: int, wanted: Wanted) -> None:
        self.inputs, self.rows, self.wanted, self.since = inputs, rows, wanted, time.monotonic()
        self.outputs: Outputs = {}
        self.error: Exception | None = None
        self._told = _Told.ALONE
        self._awake = threading.Lock()
        self._awake.acquire()

    def tell(self, what: _Told) -> None:
        self._told = what
        self._awake.release()

    def fail(self, error: Exception) -> None:
        self.error = error
        self.tell(_Told.FAILED)

    def answer(self, outputs: Outputs) -> None:
        self.outputs = outputs
        self.tell(_Told.ANSWERED)

    def wait(self) -> _Told:
        self._awake.acquire()
        return self._told


class _Lane:
    """Requests of one kind, which may all stand in one batch.

    Attributes:
      waiting: oldest first, without those that lead.
      rows: of ``waiting``.
      runs: leaders.
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
    """

    def __init__(self, run: Run, batching: Mapping[str, SignatureBatching], limits: BatchLimits) -> None:
        self._run, self._batching, self._limits = run, batching, limits
        self._lock = threading.Lock()
        self._lanes: dict[Hashable, _Lane] = {}

    def run(self, signature: str, inputs: Mapping[str, np.ndarray], wanted: Wanted = always) -> Outputs:
        """Answers one request, alone or in a batch.

        The answer does not depend on the neighbours, but for the last bits of floating point. If a batch fails, each of
        its requests is run alone: the error goes to the one that deserves it.

        Args:
          signature: its name.
          inputs: every input, of the signature's dtype and rank.
          wanted: whether the client still waits; asked just before the run.

        Raises:
          ServingError: of the model; or CANCELLED, see :func:`check_wanted`.
        """
        batching = self._batching.get(signature)
        found = kind_of(batching, inputs) if batching else None
        if batching is None or found is None or found.rows >= self._limits.rows:
            return self._alone(signature, inputs, wanted)
        kind, call = (signature, found.kind), _Call(inputs, found.rows, wanted)
        with self._lock:
            lane = self._lanes.setdefault(kind, _Lane(self._lock))
            lane.waiting.append(call)
            lane.rows += call.rows
            self._pass_lead_on(kind, lane)
            if lane.rows >= self._limits.rows - 1:
                lane.enough.notify()
        told = call.wait()
        if told is _Told.LEAD:
            self._lead(signature, batching, kind, lane, call)
            told = call.wait()
        if told is _Told.ALONE:
            return self._alone(signature, inputs, wanted)
        if call.error is not None:
            raise call.error
        return call.outputs

    def _alone(self, signature: str, inputs: Mapping[str, np.ndarray], wanted: Wanted) -> Outputs:
        check_wanted(wanted)
        return self._run(signature, inputs)

    def _pass_lead_on(self, kind: Hashable, lane: _Lane) -> None:
        """To the oldest request, if another batch may be begun; the lock is held."""
        if lane.waiting and lane.runs < self._limits.runs and not lane.collecting:
            lane.runs += 1
            lane.collecting = True
            lane.take().tell(_Told.LEAD)
        elif not lane.waiting and not lane.runs:
            del self._lanes[kind]

    def _lead(self, signature: str, batching: SignatureBatching, kind: Hashable, lane: _Lane, leader: _Call) -> None:
        """Collects a batch and runs it; afterwards all of it, the leader too, has been told."""
        with self._lock:
            batch = self._collect(lane, leader)
            lane.collecting = False
            self._pass_lead_on(kind, lane)
        parts: list[Outputs] = []
        error: Exception | None = None
        try:
            if len(batch) == 1:
                parts = [self._run(signature, batch[0].inputs)]
            elif batch:
                outputs = self._run(signature, join(batching, [call.inputs for call in batch]))
                parts = split(batching, outputs, [call.rows for call in batch])
        except Exception as raised:
            error = raised
        finally:
            with self._lock:
                lane.runs -= 1
                self._pass_lead_on(kind, lane)
        if error is None:
            for call, part in zip(batch, parts, strict=True):
                call.answer(part)
        elif len(batch) == 1:
            batch[0].fail(error)
        else:
            for call in batch:
                call.tell(_Told.ALONE)

    def _collect(self, lane: _Lane, leader: _Call) -> list[_Call]:
        """The leader and those that wait, up to a full batch, without those that are not wanted any more."""
        end, rows = leader.since + self._limits.wait, leader.rows
        while rows + lane.rows < self._limits.rows and (left := end - time.monotonic()) > 0:
            lane.enough.wait(left)
        batch = [leader]
        while lane.waiting and rows + lane.waiting[0].rows <= self._limits.rows:
            rows += lane.waiting[0].rows
            batch.append(lane.take())
        wanted = []
        for call in batch:
            if call.wanted():
                wanted.append(call)
            else:
                call.fail(_nobody_waits())
        return wanted


def _nobody_waits() -> ServingError:
    return ServingError(grpc.StatusCode.CANCELLED, "The client has gone or its deadline has passed: nothing was run.")
