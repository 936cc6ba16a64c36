"""What all contestants train on and are judged by; the peers themselves are not needed."""

import itertools

import numpy as np
import pytest

from benchmarks.peers import budget, judge
from benchmarks.peers.compare import Trained, recall_table, speed_table
from benchmarks.peers.contestants import CONTESTANTS
from benchmarks.peers.data import Data, from_examples, row_batches, synthetic, window_batches
from benchmarks.peers.run_polyrec import settings_of

# Training users: a has two windows (the second repeats c, d), b one. Users of each item: d 2, c 2, others 1.
TRAIN = [
    (b"a", [b"a", b"b", b"c"], [b"c", b"d"]),
    (b"a", [b"c", b"d"], [b"e"]),
    (b"b", [b"d"], [b"c"]),
]
VALID = [(b"v", [b"x", b"c", b"a", b"d", b"c"], [b"e", b"x"])]
TEST = [(b"t", [b"x"], [b"d"]), (b"u", [b"b"], [b"a"])]


@pytest.fixture
def data() -> Data:
    return from_examples(TRAIN, VALID, TEST)


def test_items_are_numbered_by_descending_training_users(data):
    assert data.counts.tolist() == [2, 2, 1, 1, 1]  # c, d, then a, b, e as they first come


def test_targets_are_aligned_with_the_item_they_follow(data):
    a, b, c, d, e = 3, 4, 1, 2, 5
    assert data.history.tolist() == [[a, b, c], [c, d, 0], [d, 0, 0]]
    assert data.targets.tolist() == [[0, c, d], [0, e, 0], [c, 0, 0]]


def test_held_out_users_keep_their_last_known_items(data):
    assert data.valid_history.tolist() == [[3, 2, 1]]
    assert data.valid_targets.tolist() == [[4, -3]]  # e, and the second of what they took is unknown
    assert data.test_history.tolist() == [[0, 0, 0], [4, 0, 0]]
    assert data.test_targets.tolist() == [[1], [2]]


def test_no_windows_is_an_error():
    with pytest.raises(ValueError, match="no windows"):
        from_examples([], VALID, TEST)


def test_rows_are_the_prefixes_that_windows_train(data):
    batches = itertools.islice(row_batches(data, 2, seed=1), 2)
    found = {(tuple(h), n, t) for batch in batches for h, n, t in zip(*(x.tolist() for x in batch), strict=True)}
    assert found == {((3, 4, 0), 2, 1), ((3, 4, 1), 3, 2), ((1, 2, 0), 2, 5), ((2, 0, 0), 1, 1)}


def test_batches_have_one_size_and_cover_every_window(data):
    batches = list(itertools.islice(window_batches(data, 2, seed=1), 3))
    assert {len(history) for history, _ in batches} == {2}
    seen = [tuple(row) for history, _ in batches for row in history.tolist()]
    assert {row: seen.count(row) for row in seen} == {tuple(row): 2 for row in data.history.tolist()}


def test_random_windows_are_full_and_aligned():
    data = synthetic(100, 6, windows=50)
    assert data.history.shape == data.targets.shape == (50, 6)
    assert data.history.min() >= 1 and data.history.max() <= 100
    np.testing.assert_array_equal(data.history[:, 1:], data.targets[:, :-1])


def test_data_survives_the_disk(data, tmp_path):
    data.save(tmp_path / "data.npz")
    loaded = Data.load(tmp_path / "data.npz")
    for name, values in vars(data).items():
        np.testing.assert_array_equal(getattr(loaded, name), values)


class Unit:
    """Item i is the i-th unit vector; a user is the item they saw last, the second interest is not active."""

    def __init__(self, data: Data) -> None:
        self.data, self.steps = data, 0

    def batches(self, batch_size):
        return window_batches(self.data, batch_size, seed=1)

    def step(self, batch):
        self.steps += 1
        return int(np.square(np.arange(30_000)).astype(bool).sum()) and int((batch[1] > 0).sum())

    def interests(self, history):
        last = history[np.arange(len(history)), np.maximum((history > 0).sum(axis=1) - 1, 0)]
        users = np.stack([np.eye(6)[last][:, 1:], 9 * np.eye(5)[np.zeros(len(history), int)]], axis=1)
        return users, np.tile([True, False], (len(history), 1))

    def item_vectors(self):
        return np.eye(5)


def test_checkpoints_are_judged_by_the_active_interests(data, tmp_path, monkeypatch):
    monkeypatch.setattr(judge, "CUTOFF", 2)
    monkeypatch.setattr(judge, "METRICS", ("recall_at_2", "ndcg_at_2"))
    budget.write_checkpoint(Unit(data), data, tmp_path / "checkpoint-0.5.npz")
    found = judge.checkpoints(tmp_path, data)
    # valid: c, and one of the four others, which tie: e or another; x counts and has no place. test: t has no item, so
    # all five tie, and d is first or second in two of five orders; u has b first, and a second in one of four.
    second = 1 / np.log2(3)
    assert found[0.5]["valid"] == pytest.approx({"recall_at_2": 1 / 8, "ndcg_at_2": second / 4 / (1 + second)})
    expected = {"recall_at_2": (2 / 5 + 1 / 4) / 2, "ndcg_at_2": ((1 + second) / 5 + second / 4) / 2}
    assert found[0.5]["test"] == pytest.approx(expected)


def test_training_writes_every_checkpoint_and_counts_only_steps_on_the_clock(data, tmp_path):
    model = Unit(data)
    figures = budget.train(model, data, 3, [0.002, 0.001], tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-0.001.npz", "checkpoint-0.002.npz"]
    assert model.steps == figures["steps"] + budget.WARM_UP_STEPS
    assert figures["targets"] == 4 * figures["steps"]
    assert figures["targets_per_cpu_second"] == pytest.approx(figures["targets"] / figures["cpu_seconds"])


def test_early_stopping_takes_the_checkpoint_best_on_validation_within_the_budget():
    def at(valid, test):
        return {"valid": {"recall_at_50": valid}, "test": {"recall_at_50": test}}

    found = {1.0: at(0.1, 0.5), 2.0: at(0.3, 0.2), 4.0: at(0.2, 0.9)}
    assert judge.best_within(found, 1) == (1.0, {"recall_at_50": 0.5})
    assert judge.best_within(found, 4) == (2.0, {"recall_at_50": 0.2})


def test_tables():
    peer, other, ours = CONTESTANTS[0], CONTESTANTS[1], CONTESTANTS[2]

    def figures(rate):
        return {
            "batch_size": 256, "targets_per_cpu_second": rate, "targets_per_second": 1.5 * rate, "wall_seconds": 7.2,
        }  # fmt: skip

    lines = speed_table([(peer, figures(1000.0)), (other, figures(2000.0)), (ours, figures(9000.0))]).splitlines()
    assert [line.split(" | ")[-1] for line in lines[2:]] == ["0.5 |", "1.0 |", "4.5 |"]
    metrics = {"recall_at_50": 0.1234, "ndcg_at_50": 0.05}
    table = recall_table([Trained(ours, figures(9000.0), {1.0: {"valid": metrics, "test": metrics}})], [1.0])
    assert table.splitlines()[-1] == "| polyrec comirec_sa, as published | 256 windows | 12.34 | 5.00 | 9,000 | 7 |"


def test_settings_of_ours():
    """A variant keeps K and D; a preset has its own temperature, the others the one that is asked for."""
    preset = settings_of("mind:preset", 1.0, 32, 2)
    assert preset.normalize and (preset.temperature, preset.read_out, preset.routing_temperature) == (
        0.15,
        "mixture",
        1.0,
    )
    published = settings_of("mind:published", 0.5, 32, 2)
    assert not (published.recency or published.residual_projection or published.identity_start or published.normalize)
    assert published.routing_temperature is None and published.squash_power == 1
    hard = settings_of("comirec_sa:hard", 0.5, 32, 2)
    assert hard.recency and (hard.read_out, settings_of("sine", 0.5, 32, 2).read_out) == ("hard", "max")
    for settings in (preset, published, hard):
        assert (settings.dimension, settings.num_interests) == (32, 2)
    assert (published.temperature, hard.temperature) == (0.5, 0.5)
