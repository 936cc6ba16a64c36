"""Requests joined by a batcher alone, without a server."""

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import grpc
import numpy as np
import pytest

from serving.bundle.manifest import SignatureBatching
from serving.errors import ServingError
from serving.runtime.batching import Batcher, BatchLimits
from serving.runtime.servable import Servable
from tests.serving.running_server import PATIENCE, wait_for
from tests.serving.versions_on_disk import put_version


@pytest.fixture
def executor():
    with ThreadPoolExecutor(8) as threads:
        yield threads


@pytest.mark.parametrize("rows", [1, 32])
def test_what_nobody_waits_for_is_not_run(tmp_path, executor, rows):
    folder = put_version(tmp_path, 1)
    servable = Servable(folder, batcher_of=partial(Batcher, limits=BatchLimits(rows), executor=executor))
    with pytest.raises(ServingError, match="nothing was run") as caught:
        servable.run("count", {"by": np.int64(1)}, wanted=lambda: False)
    assert caught.value.code is grpc.StatusCode.CANCELLED
    assert servable.run("count", {"by": np.int64(0)})["calls"] == 0
    servable.close()


def test_without_a_batcher_the_thread_that_asks_runs(tmp_path):
    servable = Servable(put_version(tmp_path, 1))
    assert servable.submit("count", {"by": np.int64(2)}).done()
    assert servable.run("count", {"by": np.int64(0)})["calls"] == 2
    servable.close()


def doubled(signature, inputs):
    return {"y": 2 * inputs["x"]}


X = {"double": SignatureBatching(inputs=[{"x": "none"}])}


def ask(batcher, *rows, **options):
    return batcher.submit("double", {"x": np.array(rows)}, **options)


def answers(calls):
    return [call.result(PATIENCE)["y"].tolist() for call in calls]


def test_a_batch_that_is_full_waits_no_longer(executor):
    seen = []

    def run(signature, inputs):
        seen.append(len(inputs["x"]))
        return doubled(signature, inputs)

    batcher = Batcher(run, X, BatchLimits(rows=3, wait=3600), executor)
    assert answers([ask(batcher, number) for number in range(3)]) == [[0], [2], [4]]
    assert seen == [3]


def test_a_request_as_large_as_a_batch_does_not_wait(executor):
    limits = BatchLimits(rows=3, wait=3600)
    assert answers([ask(Batcher(doubled, X, limits, executor), 0, 1, 2)]) == [[0, 2, 4]]
    assert answers([ask(Batcher(doubled, {}, limits, executor), 0)]) == [[0]]


class HeldRun:
    """A run that waits until it is let go."""

    def __init__(self):
        self.seen, self.go = [], threading.Event()

    def __call__(self, signature, inputs):
        self.seen.append(inputs["x"].tolist())
        assert self.go.wait(PATIENCE)
        if min(inputs["x"]) < 0:
            raise ValueError("negative")
        return doubled(signature, inputs)


def test_batches_do_not_grow_beyond_their_limit_and_nothing_is_kept(executor):
    run = HeldRun()
    batcher = Batcher(run, X, BatchLimits(rows=4), executor)
    calls = [ask(batcher, 0)]
    wait_for(lambda: run.seen)
    calls += [ask(batcher, *rows) for rows in ([1, 2], [3], [4, 5], [6])]
    run.go.set()
    assert answers(calls) == [[0], [2, 4], [6], [8, 10], [12]]
    assert run.seen == [[0], [1, 2, 3], [4, 5, 6]]
    wait_for(lambda: batcher._lanes == {})


def test_what_is_cancelled_or_unwanted_is_taken_out_of_its_batch(executor):
    run = HeldRun()
    batcher = Batcher(run, X, BatchLimits(rows=8), executor)
    first = ask(batcher, 0)
    wait_for(lambda: run.seen)
    cancelled, unwanted, wanted = ask(batcher, 1), ask(batcher, 2, wanted=lambda: False), ask(batcher, 3)
    assert cancelled.cancel()
    assert not first.cancel()
    run.go.set()
    assert answers([first, wanted]) == [[0], [6]]
    with pytest.raises(ServingError, match="nothing was run"):
        unwanted.result(PATIENCE)
    assert run.seen == [[0], [3]]


def test_a_batch_of_which_nothing_is_wanted_is_not_run(executor):
    run = HeldRun()
    batcher = Batcher(run, X, BatchLimits(rows=8), executor)
    first = ask(batcher, 0)
    wait_for(lambda: run.seen)
    assert ask(batcher, 1).cancel()
    run.go.set()
    assert answers([first]) == [[0]]
    wait_for(lambda: batcher._lanes == {})
    assert run.seen == [[0]]


def test_the_error_goes_to_the_one_that_deserves_it(executor):
    run = HeldRun()
    batcher = Batcher(run, X, BatchLimits(rows=8), executor)
    calls = [ask(batcher, 0)]
    wait_for(lambda: run.seen)
    calls += [ask(batcher, 1), ask(batcher, -1), ask(batcher, 2)]
    run.go.set()
    with pytest.raises(ValueError, match="negative"):
        calls.pop(2).result(PATIENCE)
    assert answers(calls) == [[0], [2], [4]]
    assert run.seen[:2] == [[0], [1, -1, 2]]
    assert sorted(run.seen[2:]) == [[-1], [1], [2]]


def test_several_runs_at_a_time(executor):
    both = threading.Barrier(2)

    def run(signature, inputs):
        both.wait(PATIENCE)
        return doubled(signature, inputs)

    batcher = Batcher(run, X, BatchLimits(rows=4, runs=2), executor)
    first = ask(batcher, 1)
    wait_for(lambda: both.n_waiting == 1)
    assert answers([first, ask(batcher, 2)]) == [[2], [4]]
