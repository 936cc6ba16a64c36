import numpy as np
import pytest
import tensorflow as tf

from trainer.data.sequences import evaluation_dataset, one_prefix_a_row, training_dataset

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


def test_users_are_drawn_equally_often_and_their_targets_alike(tmp_path):
    """User 7 has three windows of four targets, four and two; user -3 one of one; user 5 none that is known."""
    windows = [(7, [1, 2, 3, 4], [8, 9, 8, 9]), (7, [2, 3, 4, 5], [9, 8, 9, 8]), (7, [3, 4, 5, 6], [8, 9])]
    windows += [(-3, [9, 8], [7]), (5, [6, 5], [-4])]
    files = _write(tmp_path / "train.gz", [(history, targets) for _, history, targets in windows])
    with tf.io.TFRecordWriter(files[0], "GZIP") as writer:
        for user, history, targets in windows:
            padded = history + [0] * (4 - len(history))
            values = {
                "history": padded,
                "history_mask": [int(i > 0) for i in padded],
                "user": [user],
                "targets": targets,
            }
            features = {name: tf.train.Feature(int64_list={"value": value}) for name, value in values.items()}
            features["history_gap"] = tf.train.Feature(float_list={"value": [0.0] * 4})
            writer.write(tf.train.Example(features={"feature": features}).SerializeToString())
    spec = {**SPEC, "user": tf.io.FixedLenFeature([1], tf.int64)}
    for seed in (1, 2):
        dataset = training_dataset(files, spec, 50, seed, draw_users=True)
        weights, batches = {}, list(dataset.take(80))
        for batch in batches:
            assert batch["history"].shape == (50, 4)
            for first, weight, targets in zip(
                batch["history"][:, 0].numpy(), batch["target_weight"].numpy(), batch["targets"].numpy(), strict=True
            ):
                weights[first] = weights.get(first, 0.0) + weight * np.count_nonzero(targets)
                assert weight * np.count_nonzero(targets) == 1
        total = sum(weights.values())
        shares = {first: weight / total for first, weight in weights.items()}
        # 4,000 draws: a share has a standard error of .008.
        for first, share in {1: 0.2, 2: 0.2, 3: 0.1, 9: 0.5}.items():
            assert shares[first] == pytest.approx(share, abs=0.03)
        assert 6 not in shares
    again = next(iter(training_dataset(files, spec, 50, 2, draw_users=True)))
    np.testing.assert_array_equal(again["history"], batches[0]["history"])


def test_unknown_targets_are_none_to_train_on(tmp_path):
    files = _write(tmp_path / "train.gz", [([1, 2, 3], [-5, 9])])
    batch = next(iter(training_dataset(files, SPEC, 1, seed=1)))
    np.testing.assert_array_equal(batch["targets"], [[0, 0, 9, 0]])
