import numpy as np
import tensorflow as tf

from trainer.input_pipeline import evaluation_dataset, one_prefix_a_row, training_dataset

SPEC = {
    "history": tf.io.FixedLenFeature([4], tf.int64),
    "history_mask": tf.io.FixedLenFeature([4], tf.int64),
    "history_gap": tf.io.FixedLenFeature([4], tf.float32),
    "targets": tf.io.VarLenFeature(tf.int64),
}


def _write(path, rows: list[tuple[list[int], list[int]]]) -> list[str]:
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for history, targets in rows:
            padded = history + [0] * (4 - len(history))
            features = {
                "history": tf.train.Feature(int64_list=tf.train.Int64List(value=padded)),
                "history_mask": tf.train.Feature(int64_list=tf.train.Int64List(value=[int(i > 0) for i in padded])),
                "history_gap": tf.train.Feature(float_list=tf.train.FloatList(value=[0.5] * 4)),
                "targets": tf.train.Feature(int64_list=tf.train.Int64List(value=targets)),
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())
    return [str(path)]


def test_targets_stand_at_the_positions_they_follow(tmp_path):
    files = _write(tmp_path / "train.gz", [([1, 2, 3], [8, 9]), ([4, 5, 6, 7], [5, 6, 7, 8])])
    batch = next(iter(training_dataset(files, SPEC, 2, seed=1)))
    order = np.argsort(batch["history"][:, 0])
    np.testing.assert_array_equal(batch["targets"].numpy()[order], [[0, 8, 9, 0], [5, 6, 7, 8]])


def test_one_prefix_a_row():
    batch = {
        "history": tf.constant([[1, 2, 3, 0]], tf.int64),
        "history_mask": tf.constant([[1, 1, 1, 0]], tf.int64),
        "history_gap": tf.constant([[0.0, 0.1, 0.2, 0.0]]),
        "targets": tf.constant([[0, 8, 9, 0]], tf.int64),
        "user_job": tf.constant([[5, 6]], tf.int64),
    }
    rows = one_prefix_a_row(batch)
    np.testing.assert_array_equal(rows["history"], [[1, 2, 0, 0], [1, 2, 3, 0]])
    np.testing.assert_array_equal(rows["history_mask"], [[1, 1, 0, 0], [1, 1, 1, 0]])
    np.testing.assert_array_equal(rows["targets"], [[8], [9]])
    np.testing.assert_array_equal(rows["user_job"], [[5, 6], [5, 6]])


def test_an_epoch_one_by_one_holds_every_target_once(tmp_path):
    windows = [([1, 2, 3], [8, 9]), ([4, 5, 6, 7], [5, 6, 7, 8]), ([1], [2])]
    dataset = training_dataset(_write(tmp_path / "train.gz", windows), SPEC, 7, seed=1, all_prefixes=False)
    batch = next(iter(dataset))
    assert batch["history"].shape == (7, 4) and batch["targets"].shape == (7, 1)


def test_evaluation_targets_are_indices(tmp_path):
    files = _write(tmp_path / "valid.gz", [([1, 2], [3, -2]), ([1], [2]), ([1], [-7, -9])])
    batch = next(iter(evaluation_dataset(files, SPEC, 8)))
    np.testing.assert_array_equal(batch["targets"], [[2, -2], [1, -1], [-7, -9]])


def test_unknown_targets_are_none_to_train_on(tmp_path):
    files = _write(tmp_path / "train.gz", [([1, 2, 3], [-5, 9])])
    batch = next(iter(training_dataset(files, SPEC, 1, seed=1)))
    np.testing.assert_array_equal(batch["targets"], [[0, 0, 9, 0]])
