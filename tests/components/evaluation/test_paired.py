"""Differences between two models on the same users, against numbers computed by hand."""

import math
import os
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "1"

import numpy as np
import pytest
import tensorflow as tf
from tfx.types import standard_artifacts

from components.evaluation.over_baseline import Missed, missed, over_baseline
from components.evaluation.paired import Comparison, Paired, compare, paired, read, thirds
from components.nodes import comparison
from tests.components.artifacts import artifact, execute

RECALLS = {"model": [1.0, 0.5, 0.5, 0.0, 0.25, 0.5], "baseline": [0.5, 0.5, 0.0, 0.0, 0.5, 0.25]}
DIVERSITY = [0.1, 0.9, 0.5, 0.2, 0.6, 0.8]
SPEC = {"user_id": tf.io.FixedLenFeature([], tf.string)}


class _Fixed(tf.Module):
    """Gives user n the n-th of these recalls, and counts the page's rows."""

    def __init__(self, recalls, diversity, interests) -> None:
        super().__init__()
        self.served_interests = tf.Variable(interests)
        self.values = {"recall_at_50": tf.Variable(recalls), "history_diversity": tf.Variable(diversity)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string), tf.TensorSpec([], tf.int32)])
    def evaluate_beside(self, examples, page_rows):
        user = tf.strings.to_number(tf.io.parse_example(examples, SPEC)["user_id"], tf.int32)
        found = {name: tf.gather(values, user) for name, values in self.values.items()}
        found["shown_at_50"] = tf.zeros([tf.size(user), 50], tf.int32)
        return {**found, "shelf_recall_at_10": tf.fill(tf.shape(user), tf.cast(page_rows, tf.float32))}


def _bytes(value: str) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode()]))


@pytest.fixture
def folders(tmp_path):
    for name, diversity, interests in (("model", [9.0] * 6, 4), ("baseline", DIVERSITY, 1)):
        tf.saved_model.save(_Fixed(RECALLS[name], diversity, interests), str(tmp_path / name / "Format-Serving"))
    (tmp_path / "examples" / "Split-test").mkdir(parents=True)
    for number, users in enumerate([(3, 0), (5, 1, 4, 2)]):  # in no order
        with tf.io.TFRecordWriter(str(tmp_path / f"examples/Split-test/part-{number}.gz"), "GZIP") as writer:
            for user in users:
                features = {"user_id": _bytes(str(user)), "history_bucket": _bytes("001-004" if user < 2 else "050+")}
                writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())
    return tmp_path


def _check(found: Comparison) -> None:
    assert (found.users, found.page_rows) == (6, 4)
    everybody = found.slices["all"]["recall_at_50"]
    differences = [0.5, 0.0, 0.5, 0.0, -0.25, 0.25]  # mean 1/6
    variance = sum((d - 1 / 6) ** 2 for d in differences) / 5
    assert everybody.users == 6
    assert everybody.model == pytest.approx(2.75 / 6) and everybody.baseline == pytest.approx(1.75 / 6)
    assert everybody.difference == pytest.approx(1 / 6)
    assert everybody.error == pytest.approx(math.sqrt(variance / 6))
    # The single vector's diversity: users 1 and 5 are the most mixed, 0 and 3 the most focused.
    assert found.slices["diverse"]["recall_at_50"].difference == pytest.approx((0.0 + 0.25) / 2)
    assert found.slices["focused"]["recall_at_50"].difference == pytest.approx((0.5 + 0.0) / 2)
    assert found.slices["history 001-004"]["recall_at_50"].difference == pytest.approx((0.5 + 0.0) / 2)
    assert found.slices["history 050+"]["recall_at_50"].users == 4
    # Both are given the four rows of the model's page.
    assert found.slices["all"]["shelf_recall_at_10"].baseline == 4.0
    assert found.slices["all"].keys() == {"recall_at_50", "shelf_recall_at_10"}


def test_both_models_on_the_same_users(folders):
    files = [str(path) for path in (folders / "examples" / "Split-test").iterdir()]
    _check(compare(str(folders / "model/Format-Serving"), str(folders / "baseline/Format-Serving"), files))


def test_the_component_writes_what_is_read(folders):
    inputs = {name: [artifact(standard_artifacts.Model, folders / name)] for name in ("model", "baseline")}
    examples = artifact(standard_artifacts.Examples, folders / "examples")
    examples.split_names = '["test"]'
    written = artifact(standard_artifacts.ModelEvaluation, folders / "comparison")
    execute(comparison.Comparison, {**inputs, "examples": [examples]}, {"comparison": [written]})
    path = os.path.join(written.uri, "comparison.json")
    _check(read(path))
    assert "NaN" not in Path(path).read_text()


def test_users_without_a_value_are_left_out():
    nan = float("nan")
    found = paired(
        {"recall_at_50": np.array([1, nan, 0.5, 0.2]), "tail_recall_at_50": np.array([nan] * 4), "x": np.zeros(4)},
        {"recall_at_50": np.array([0.5, 0.5, nan, 0.1]), "tail_recall_at_50": np.zeros(4)},
        np.array([True, True, True, False]),
    )
    assert found == {"recall_at_50": Paired(1, 1.0, 0.5, 0.5, None)}


def test_thirds_are_of_equal_size_whatever_is_tied():
    lowest, highest = thirds(np.array([1.0] * 9 + [float("nan")] * 5))
    assert lowest.sum() == highest.sum() == 3 and not (lowest & highest).any() and not (lowest | highest)[9:].any()
    np.testing.assert_array_equal(thirds(np.array([3.0, 1, 2]))[0], [False, True, False])
    assert not thirds(np.array([1.0, 2]))[0].any()


def test_thresholds_on_differences():
    pair = Paired(9, 0.25, 0.2, 0.05, 0.01)
    found = Comparison(
        9, 4, {"all": {"recall_at_50": pair, "ndcg_at_50_unseen": pair}, "diverse": {"recall_at_50": pair}}
    )
    thresholds = {
        "recall_at_50": 0.5,
        "recall_at_50_over_baseline": 0.04,
        "ndcg_at_50_unseen_over_baseline": 0.06,
        "recall_at_50_diverse_over_baseline": 0.0501,
        "recall_at_50_focused_over_baseline": -1.0,
    }
    assert missed(found, over_baseline(thresholds)) == [
        Missed("ndcg_at_50_unseen_over_baseline", 0.06, pair),
        Missed("recall_at_50_diverse_over_baseline", 0.0501, pair),
        Missed("recall_at_50_focused_over_baseline", -1.0, None),
    ]
