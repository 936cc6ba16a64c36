"""Impression logs as tf.Examples, by hand: a letter is an item."""

from itertools import pairwise

import pytest

from tests.components.ingestion.helpers import examples, ingest, of_user
from tests.components.ingestion.impression_helpers import (
    CLICK,
    LEAVE_ONE,
    filler,
    impressions,
    impressions_of,
    users_in,
)

[TRAIN], [VALID], [TEST] = users_in("train"), users_in("valid"), users_in("test")
OTHERS = [*filler("train"), *filler("valid"), *filler("test")]


def shown(found, user):
    """item -> example of one user, in the order of the item."""
    return {example["item"][0]: example for example in found if example["user_id"] == [user]}


def test_a_history_holds_what_was_clicked_strictly_before(tmp_path):
    rows = [
        (TRAIN, "a", 10, True, 5.0),
        (TRAIN, "b", 20, False, None),
        (TRAIN, "c", 30, True, 3.0),
        (TRAIN, "d", 30, True, 4.0),  # at the same time as c: neither is in the other's history
        (TRAIN, "e", 40, False, 5.0),
    ]
    report = ingest(impressions_of(tmp_path, rows[::-1] + OTHERS), tmp_path / "out")
    found = shown(impressions(tmp_path / "out", "train"), TRAIN)
    assert {item: example["history"] for item, example in found.items()} == {
        "a": [],
        "b": ["a"],
        "c": ["a"],
        "d": ["a"],
        "e": ["a", "d", "c"],  # events of one time keep the order of the log, which is turned round
    }
    assert found["e"]["history_time"] == [10, 30, 30]
    assert [found[item]["history_bucket"] for item in "ae"] == [["000"], ["001-004"]]
    assert all(example["targets"] == [] for example in found.values())
    assert set(found["a"]) == {
        *("user_id", "item", "history", "history_time", "history_bucket", "targets"),
        *("label_click", "weight_click", "label_conversion", "weight_conversion"),
    }
    written = [impressions(tmp_path / "out", split) for split in ("train", "valid", "test")]
    assert report.counts["impressions"] == sum(map(len, written))


def test_impressions_of_one_history_are_one_example(tmp_path):
    """Of training: until a user clicks, the history is the same; of at most 64 impressions is an example."""
    rows = [(TRAIN, "a", 1, True, 5.0), (TRAIN, "b", 1, False, 5.0)]
    rows += [(TRAIN, "c", 2 + time, False, 5.0) for time in range(70)]
    rows += [(TRAIN, "d", 90, True, 4.0), (TRAIN, "e", 91, False, 5.0)]
    ingest(impressions_of(tmp_path, rows + OTHERS), tmp_path / "out")
    found = [example for example in examples(tmp_path / "out", "train") if example["user_id"] == [TRAIN]]
    by_size = {len(example["item"]): example for example in found}
    assert sorted(by_size) == [1, 2, 7, 64] and len(found) == 4
    assert by_size[2]["item"] == ["a", "b"] and by_size[2]["label_click"] == [1, 0] and by_size[2]["history"] == []
    assert by_size[7]["item"] == ["c"] * 6 + ["d"] and by_size[7]["label_click"] == [0] * 6 + [1]
    assert by_size[64]["history"] == by_size[7]["history"] == ["a"] and by_size[1]["history"] == ["a", "d"]
    assert by_size[7]["label_conversion"] == [1] * 7 and by_size[7]["weight_conversion"] == [0] * 6 + [1]
    assert all(len(example["item"]) == 1 for example in examples(tmp_path / "out", "test"))


def test_labels_and_where_they_count(tmp_path):
    rows = [
        (TRAIN, "a", 1, True, 4.0),
        (TRAIN, "b", 2, True, 3.9),
        (TRAIN, "c", 3, False, 5.0),  # no click: its conversion is of no meaning
        (TRAIN, "d", 4, None, 5.0),  # unknown click
        (TRAIN, "e", 5, True, None),  # unknown conversion
    ]
    ingest(impressions_of(tmp_path, rows + OTHERS), tmp_path / "out")
    found = shown(impressions(tmp_path / "out", "train"), TRAIN)
    names = ("label_click", "weight_click", "label_conversion", "weight_conversion")
    assert {item: tuple(example[name][0] for name in names) for item, example in found.items()} == {
        "a": (1, 1, 1, 1),
        "b": (1, 1, 0, 1),
        "c": (0, 1, 1, 0),
        "d": (0, 0, 1, 0),
        "e": (1, 1, 0, 0),
    }


def test_only_the_last_of_a_long_history_is_kept(tmp_path):
    rows = [(TRAIN, item, time, True, 5.0) for time, item in enumerate("abcdef")]
    ingest(impressions_of(tmp_path, rows + OTHERS), tmp_path / "out", max_history=3)
    found = shown(impressions(tmp_path / "out", "train"), TRAIN)
    assert found["f"]["history"] == ["c", "d", "e"] and found["c"]["history"] == ["a", "b"]


def test_impressions_after_too_short_a_history_are_left_out_and_counted(tmp_path):
    rows = [(TRAIN, item, time, item != "b", float(time)) for time, item in enumerate("abcdef")]
    whole = ingest(impressions_of(tmp_path, rows + OTHERS), tmp_path / "all")
    report = ingest(impressions_of(tmp_path, rows + OTHERS, min_history=2), tmp_path / "out")
    assert sorted(shown(impressions(tmp_path / "out", "train"), TRAIN)) == ["d", "e", "f"]
    # Of this user a, b and c; of the two other training users the first two each.
    left_out = whole.counts["impressions"] - report.counts["impressions"]
    assert report.counts["impressions_too_early"] == left_out == 3 + 2 * 2


def test_the_rows_held_out_of_an_evaluated_user_share_the_history_before_them(tmp_path):
    rows = [(VALID, item, time, item not in "bj", 5.0) for time, item in enumerate("abcdefghij")]
    rows[7] = (VALID, "h", 6, True, 5.0)  # the last of the given part, g, is of the time of h and so not before it
    report = ingest(
        impressions_of(tmp_path, rows + OTHERS, split={"history_fraction": 0.7}), tmp_path / "out", max_history=4
    )
    held_out = [e for e in impressions(tmp_path / "out", "valid") if e["user_id"] == [VALID]]
    assert [e["item"] for e in held_out] == [["h"], ["i"], ["j"]]
    assert all(e["history"] == ["c", "d", "e", "f"] for e in held_out)
    assert [e["targets"] for e in held_out] == [["h", "i"], [], []]  # j was not clicked
    # The two others hold out the last of three rows, which was not clicked.
    assert report.examples["valid"] == 3 + 2 and report.targets["valid"] == 2


def test_leave_last_out(tmp_path):
    rows = [(TRAIN, item, time, item not in "be", 5.0 - time) for time, item in enumerate("abcde")]
    rows += [("short", "a", 1, True, 1.0), ("short", "b", 2, False, 1.0)]
    report = ingest(impressions_of(tmp_path, rows + OTHERS, **LEAVE_ONE), tmp_path / "out")
    splits = {split: shown(impressions(tmp_path / "out", split), TRAIN) for split in ("train", "valid", "test")}
    assert {split: sorted(found) for split, found in splits.items()} == {
        "train": ["a", "b", "c"],
        "valid": ["d"],
        "test": ["e"],
    }
    assert splits["valid"]["d"]["history"] == ["a", "c"] and splits["valid"]["d"]["targets"] == ["d"]
    assert splits["test"]["e"]["history"] == ["a", "c", "d"] and splits["test"]["e"]["targets"] == []
    assert report.counts["users_too_short"] == 1


def test_the_order_of_training_owes_nothing_to_the_order_of_the_log(tmp_path):
    rows = [
        (user, item, time, time % 2 == 0, 5.0)
        for user in users_in("train", 12)[3:]
        for time, item in enumerate("abcdef")
    ]
    for name, log in (("one", rows + OTHERS), ("other", OTHERS + rows[::-1])):
        (tmp_path / name).mkdir()
        ingest(impressions_of(tmp_path / name, log, sampled_impressions=1), tmp_path / name / "out")
    first, second = (examples(tmp_path / name / "out", "train") for name in ("one", "other"))
    assert first == second
    users = [example["user_id"][0] for example in first]
    assert sum(a == b for a, b in pairwise(users)) < len(users) / 2


def test_profile_features_stand_beside_the_impressions(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [(TRAIN, "a", 1, True, 5.0), (TRAIN, "b", 2, False, 5.0), *OTHERS]
    pq.write_table(pa.table({"user_id": [TRAIN], "likes": [["x", "y"]], "age": [30]}), tmp_path / "users.parquet")
    features = {"likes": "categorical", "age": "numeric"}
    settings = impressions_of(tmp_path, rows, users="users.parquet", user_columns={"features": features})
    ingest(settings, tmp_path / "out")
    found = impressions(tmp_path / "out", "train")
    assert [e["user_likes"] for e in found if e["user_id"] == [TRAIN]] == [["x", "y"]] * 2
    assert {tuple(e["user_age"]) for e in found if e["user_id"] != [TRAIN]} == {()}


@pytest.mark.parametrize(
    "values", [[True, False, None], [1, 0, None], [0.5, 0.25, float("nan")], ["0.5", "-1", ""], ["true", "False", " "]]
)
def test_labels_of_every_type(tmp_path, values):
    rows = [(TRAIN, item, time, value, 5.0) for time, (item, value) in enumerate(zip("abc", values, strict=True))]
    others = [(user, item, time, values[item != "a"], rating) for user, item, time, _, rating in OTHERS]
    at_least = 0.5
    labels = {"click": {"column": "click", "at_least": at_least}}
    ingest(impressions_of(tmp_path, rows + others, labels=labels), tmp_path / "out")
    found = of_user(impressions(tmp_path / "out", "train"), TRAIN)
    seen = {e["item"][0]: (e["label_click"][0], e["weight_click"][0]) for e in found}
    assert seen == {"a": (1, 1), "b": (0, 1), "c": (0, 0)}


def test_labels_out_of_a_text_file(tmp_path):
    rows = [(TRAIN, "a", 1, "1", ""), (TRAIN, "b", 2, "0", ""), (TRAIN, "c", 3, "", ""), *OTHERS]
    settings = impressions_of(tmp_path, OTHERS, interactions="log.csv", labels=CLICK)
    lines = [",".join(str(value) for value in row) for row in rows]
    (tmp_path / "log.csv").write_text("\n".join(["user_id,item_id,timestamp,click,rating", *lines]) + "\n")
    ingest(settings, tmp_path / "out")
    found = shown(impressions(tmp_path / "out", "train"), TRAIN)
    assert {item: (e["label_click"][0], e["weight_click"][0]) for item, e in found.items()} == {
        "a": (1, 1),
        "b": (0, 1),
        "c": (0, 0),
    }
