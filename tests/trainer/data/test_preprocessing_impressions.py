"""Transform of impressions, by hand: T = 3, items by how often they are shown, ties by descending id."""

import numpy as np
import pytest
import tensorflow as tf

from tests.trainer.transformed import raw_impression, transform
from trainer.data import schema

TASKS = ("click", "conversion")

# Shown: a 3, c 2, b 1. The item z is in a history only.
TRAIN = [
    raw_impression("u", "a", "", click=(1, 1), conversion=(0, 1)),
    raw_impression("u", "c", "za", click=(0, 1), conversion=(0, 0)),
    raw_impression("u", "a", "ac", click=(1, 1), conversion=(1, 1), job="smith", age=10.0),
    raw_impression("v", "c", "ab", click=(0, 1), conversion=(0, 0), age=30.0),
    raw_impression("v", "a", "", click=(0, 0), conversion=(0, 0)),
    raw_impression("v", "b", "caba", click=(1, 1), conversion=(1, 1)),
]
VALID = [
    raw_impression("w", "c", "ab", targets="cz", click=(1, 1), conversion=(1, 1)),
    raw_impression("w", "z", "ab", click=(0, 1), conversion=(0, 0)),
]
INDEX = {"a": 1, "c": 2, "b": 3}


@pytest.fixture(scope="module")
def transformed(tmp_path_factory):
    return transform(tmp_path_factory.mktemp("transform"), TRAIN, VALID, max_history=3, labels=TASKS)


@pytest.fixture(scope="module")
def rows(transformed):
    spec = transformed.output.transformed_feature_spec()
    records = {"train": transformed.train_files, "valid": transformed.valid_files}
    return {
        split: [
            {
                name: tf.sparse.to_dense(value).numpy() if isinstance(value, tf.SparseTensor) else value.numpy()
                for name, value in tf.io.parse_single_example(record, spec).items()
            }
            for record in tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator()
        ]
        for split, files in records.items()
    }


def test_the_vocabulary_counts_what_was_shown_in_training(transformed):
    assert transformed.output.vocabulary_by_name(schema.ITEM_VOCABULARY) == [b"a", b"c", b"b"]
    with open(transformed.output.vocabulary_file_by_name("item_frequency"), "rb") as file:
        assert file.read().split() == b"3 a 2 c 1 b".split()


def test_items_labels_and_weights_are_a_value_each(rows):
    names = ("item", "label_click", "weight_click", "label_conversion", "weight_conversion")
    found = rows["train"]
    assert {name: (found[0][name].shape, found[0][name].dtype) for name in names} == {
        name: ((1,), np.int64 if name == "item" else np.float32) for name in names
    }
    assert sorted(tuple(row[name][0] for name in names) for row in found) == [
        (1, 0, 0, 0, 0),
        (1, 1, 1, 0, 1),
        (1, 1, 1, 1, 1),
        (2, 0, 1, 0, 0),
        (2, 0, 1, 0, 0),
        (3, 1, 1, 1, 1),
    ]


def test_an_item_that_training_did_not_show_is_0(rows):
    assert [row["item"].tolist() for row in rows["valid"]] == [[INDEX["c"]], [0]]
    (known, unknown), nothing = (row["targets"].tolist() for row in rows["valid"])
    assert known == INDEX["c"] and unknown <= -2 and not nothing


def test_histories_are_those_of_sequences(rows):
    last = next(row for row in rows["train"] if row["item"] == INDEX["b"])
    assert last["history"].tolist() == [INDEX["a"], INDEX["b"], INDEX["a"]]
    np.testing.assert_allclose(last["history_gap"], np.log1p([0, 2, 3]), rtol=1e-6)
    unknown = [row["history"].tolist() for row in rows["train"] if row["item"] == INDEX["c"]]
    assert sorted(unknown) == [[INDEX["a"], 0, 0], [INDEX["a"], INDEX["b"], 0]]
    empty = [row for row in rows["train"] if not row["history_mask"].any()]
    assert len(empty) == 2 and all(not row["history"].any() for row in empty)


def test_profile_features_are_those_of_sequences(rows, transformed):
    assert transformed.output.vocabulary_by_name("user_job") == [b"smith"]
    assert sorted(row["user_age"].tolist() for row in rows["train"]) == [[-1.0], [0.0], [0.0], [0.0], [0.0], [1.0]]
