"""The code that the pages on writing a model and a metric show is code that runs."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.trainer.metrics.user_lists import lists
from trainer.metrics import table
from trainer.metrics.table import Metric
from trainer.metrics.user_lists import UserLists

ROOT = Path(__file__).resolve().parents[2]


def _blocks(page):
    return re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text(), re.DOTALL)


@pytest.mark.parametrize("block", _blocks("write-a-model.md"))
def test_the_page_on_models_shows_the_example(block):
    assert block in (ROOT / "examples" / "add_a_model.py").read_text()


def test_the_metric_of_the_page_on_metrics(monkeypatch):
    function, row = _blocks("write-a-metric.md")[:2]
    names = {"tf": tf, "UserLists": UserLists, "Metric": Metric}
    exec(function, names)
    metric = eval(row, names)
    tail = [item >= 4 for item in range(10)]
    # Two of three, none of four, none at all; the third list has ended before it began.
    users = lists([[[5, 0, 9, -1]], [[0, 1, 2, 3]], [[-1, -1, -1, -1]]], tail=tail, category=[-1] * 10)
    np.testing.assert_allclose(metric.function(users, 50), [2 / 3, 0.0, np.nan])
    np.testing.assert_allclose(metric.function(users, 2), [1 / 2, 0.0, np.nan])
    monkeypatch.setattr(table, "TABLE", (*table.TABLE, metric))
    assert table.title("tail_share_at_50_unseen") == "Tail share@50"
    assert "popularity_tail_share_at_50" in table.popularity_metrics()
    assert "tail_share_at_50" in table.shown()


def test_the_metric_of_all_users_together_of_the_page_on_metrics(monkeypatch):
    function, row = _blocks("write-a-metric.md")[2:]
    names = {"np": np, "math": math, "Metric": Metric}
    exec(function, names)
    metric = eval(row, names)
    monkeypatch.setattr(table, "TABLE", (*table.TABLE, metric))
    # Equally often, and half of the time: the entropy is 1.5 bits, of 2 ** 1.5 items.
    assert table.together("shown_evenly_at_50", np.array([3, 0, 3, 3])) == pytest.approx(3)
    assert table.together("shown_evenly_at_50", np.array([4, 2, 2, 0])) == pytest.approx(2**1.5)
    assert math.isnan(table.together("shown_evenly_at_50", np.zeros(4, int)))
    assert "popularity_shown_evenly_at_50_unseen" in table.popularity_metrics()
    assert table.of_all_users("shown_evenly_at_50_unseen") and not table.paired("shown_evenly_at_50")
