"""The measuring of indexes: what needs NumPy only, and our own runner in processes of its own."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.serving import index as command
from benchmarks.serving.measure import cheapest, merge, recall
from benchmarks.serving.problem import DIMENSION, INTERESTS, TOP, Problem


@pytest.fixture(scope="module")
def problem():
    random = np.random.default_rng(0)
    items = random.normal(size=(400, DIMENSION)).astype(np.float32)
    return Problem.of(items, random.normal(size=(80, INTERESTS, DIMENSION)).astype(np.float32))


def lists(interests, items, count=TOP):
    scores = interests @ items.T
    indices = np.argsort(-scores, axis=2)[:, :, :count]
    return indices, np.take_along_axis(scores, indices, axis=2)


def test_merged_lists_of_the_interests_are_the_right_answer(problem):
    merged = merge(*lists(problem.interests, problem.items))
    best = np.argsort(-(problem.interests @ problem.items.T).max(axis=1), axis=1)[:, :TOP]
    np.testing.assert_array_equal(merged, best)
    np.testing.assert_array_equal(np.sort(problem.best, axis=1), np.sort(best, axis=1))


def test_a_list_with_too_few_items_ends_in_padding():
    indices = np.array([[[3, 5], [5, 3]]])
    merged = merge(indices, np.array([[[2.0, 1.0], [4.0, 3.0]]]))
    assert merged[0, :3].tolist() == [5, 3, -1] and (merged[0, 2:] == -1).all()


def test_the_first_setting_that_reaches_the_recall(problem):
    def searching(count):
        return lambda interests: merge(*lists(interests, problem.items[:count]))

    recalls = {count: recall(searching(count), problem) for count in (100, 200, 400)}
    assert recalls[100] < recalls[200] < recalls[400] == 1.0
    searches = [(count, searching(count)) for count in recalls]
    # More than a standard error below what 200 reach, and as far above what 100 do.
    assert cheapest(searches, problem, (recalls[100] + recalls[200]) / 2) == 200
    assert cheapest(searches[:2], problem, 1.0) == 200


def test_an_index_is_built_once_and_measured(problem, tmp_path):
    file, folder = tmp_path / "vectors.npz", tmp_path / "scann"
    problem.save(file)
    again = Problem.load(file).half(1)
    np.testing.assert_array_equal(again.interests, problem.interests[40:])
    figures = command.measured("scann", "", file, folder, 0.9, False, seconds=0.0)
    assert figures["recall"] == 1.0 and figures["settings"]
    assert figures["cpu_1"] > 0 and figures["cpu_32"] > 0 and figures["p99_1"] >= figures["p50_1"] > 0
    # The vectors alone are a tenth of a megabyte.
    assert figures["disk_mb"] > 0.1
    built = json.loads((folder / "built.json").read_text())
    (folder / "built.json").write_text(json.dumps({**built, "build_s": 12345.0}))
    assert command.measured("scann", "", file, folder, 0.9, False, seconds=0.0)["build_s"] == 12345.0


def test_a_row_compares_with_exact_search():
    figures = {"settings": "s", "recall": 0.9961, "build_s": 9.6, "build_cpu_s": 18.2, "disk_mb": 5.0, "memory_mb": 7.4}
    figures |= {f"{what}_{batch}": 2.0 for what in ("cpu", "p50", "p99") for batch in (1, 32)}
    line = command.row("scann", figures, {**figures, "cpu_1": 120.0, "cpu_32": 30.0})
    assert line.split(" | ")[2:7] == ["0.9961", "2.00", "2.00", "60 x", "15 x"]
    assert line.endswith("| 10 (18) | 5 | 7 |")
    assert Path(command.REQUIREMENTS).exists()
