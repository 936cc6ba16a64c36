"""Transform, by hand: T = 3, items by descending frequency, ties by descending id."""

import numpy as np
import pytest
import tensorflow as tf

from tests.trainer.transformed import raw, transform
from trainer.data import schema
from trainer.data.preprocessing import padded_history
from trainer.data.sequences import evaluation_dataset

# The sequence a b c d a e in two windows, and b a: a 3, b 2, and e, d, c once each.
TRAIN = [
    raw("u", "abc", "d", job="smith", age=10.0),
    raw("u", "cda", "ae", overlap=2, job="smith", age=10.0),
    raw("v", "b", "a", job="baker", age=30.0),
]
INDEX = {"a": 1, "b": 2, "e": 3, "d": 4, "c": 5}


@pytest.fixture(scope="module")
def transformed(tmp_path_factory):
    valid = [raw("w", "axbcd", "ez", job="miner"), raw("x", "yz", "a"), raw("y", "ab", "ezyzx")]
    return transform(tmp_path_factory.mktemp("transform"), TRAIN, valid, max_history=3)


def test_the_vocabulary_counts_each_interaction_once(transformed):
    assert transformed.output.vocabulary_by_name(schema.ITEM_VOCABULARY) == [b"a", b"b", b"e", b"d", b"c"]
    with open(transformed.output.vocabulary_file_by_name("item_frequency"), "rb") as file:
        assert file.read().split() == b"3 a 2 b 1 e 1 d 1 c".split()


def test_histories_are_padded_behind_and_masked(transformed):
    row = next(row for row in transformed.rows if row["history"][0] == INDEX["b"])
    np.testing.assert_array_equal(row["history"], [INDEX["b"], 0, 0])
    np.testing.assert_array_equal(row["history_mask"], [1, 0, 0])
    window = next(row for row in transformed.rows if row["history"][0] == INDEX["a"])
    np.testing.assert_array_equal(window["history"], [INDEX["a"], INDEX["b"], INDEX["c"]])
    np.testing.assert_allclose(window["history_gap"], np.log1p([0, 1, 2]), rtol=1e-6)


def test_unknown_items_give_way_to_known_ones_before_truncation(transformed):
    """a x b c d: x is unknown, and the last three known items are b c d, at 3, 6 and 10 seconds."""
    spec = transformed.output.transformed_feature_spec()
    records = list(tf.data.TFRecordDataset(transformed.valid_files, "GZIP").as_numpy_iterator())
    first = tf.io.parse_single_example(records[0], spec)
    np.testing.assert_array_equal(first["history"], [INDEX["b"], INDEX["c"], INDEX["d"]])
    np.testing.assert_allclose(first["history_gap"], np.log1p([0, 3, 4]), rtol=1e-6)
    assert first["targets"].values[0] == INDEX["e"] and first["targets"].values[1] <= -2
    second = tf.io.parse_single_example(records[1], spec)
    np.testing.assert_array_equal(second["history_mask"], [0, 0, 0])


def test_each_unknown_target_has_a_number_of_its_own(transformed):
    batch = next(iter(evaluation_dataset(transformed.valid_files, transformed.output.transformed_feature_spec(), 8)))
    known, z, y, z_again, x = batch["targets"].numpy()[2]
    assert known == INDEX["e"] - 1 and z == z_again == batch["targets"].numpy()[0][1]
    assert len({x, y, z}) == 3 and max(x, y, z) <= -2
    np.testing.assert_array_equal(batch["targets"].numpy()[1], [INDEX["a"] - 1, -1, -1, -1, -1])


def test_profile_features(transformed):
    jobs = transformed.output.vocabulary_by_name("user_job")
    assert jobs == [b"smith", b"baker"]
    spec = transformed.output.transformed_feature_spec()
    records = [
        tf.io.parse_single_example(record, spec)
        for record in tf.data.TFRecordDataset(transformed.valid_files, "GZIP").as_numpy_iterator()
    ]
    assert records[0]["user_job"].values.numpy().tolist() == []  # a value that training never saw
    np.testing.assert_allclose(records[0]["user_age"], [0.0])
    ages = sorted({float(row["user_age"][0]) for row in transformed.rows})
    mean, deviation = np.mean([10, 10, 30]), np.std([10, 10, 30])
    np.testing.assert_allclose(ages, [(10 - mean) / deviation, (30 - mean) / deviation], rtol=1e-5)


def test_a_history_of_exactly_the_limit_is_kept_whole():
    indices = tf.constant([[4, 5, -1], [1, 2, 3]], tf.int64)
    times = tf.constant([[10, 5, 0], [0, 0, 9]], tf.int64)
    outputs = padded_history(indices, times, 2)
    np.testing.assert_array_equal(outputs["history"], [[5, 6], [3, 4]])
    np.testing.assert_allclose(outputs["history_gap"], [[0, 0], [0, np.log(10)]], rtol=1e-6)


def test_unknown_items_leave_no_gap_wherever_they_stand():
    indices = tf.constant([[-1, 7, -1, -1, 0], [-1, -1, -1, -1, -1]], tf.int64)
    outputs = padded_history(indices, tf.constant([[1, 2, 3, 4, 9]] * 2, tf.int64), 4)
    np.testing.assert_array_equal(outputs["history"], [[8, 1, 0, 0], [0, 0, 0, 0]])
    np.testing.assert_array_equal(outputs["history_mask"], [[1, 1, 0, 0], [0, 0, 0, 0]])
    np.testing.assert_allclose(outputs["history_gap"], [[0, np.log(8), 0, 0], [0, 0, 0, 0]], rtol=1e-6)


@pytest.mark.parametrize("shape", [(0, 3), (2, 0)])
def test_nothing_at_all(shape):
    outputs = padded_history(tf.zeros(shape, tf.int64), tf.zeros(shape, tf.int64), 4)
    for values in outputs.values():
        np.testing.assert_array_equal(values, np.zeros([shape[0], 4]))
