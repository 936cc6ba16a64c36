"""Items drawn beside impressions: reproducible, by frequency, none of the user's own."""

from collections import Counter

import numpy as np
import pyarrow as pa

from components.ingestion.cut.hashing import hash_strings
from components.ingestion.cut.sampling import Frequencies, Sampler
from components.ingestion.cut.sequences import Sequences
from components.ingestion.files.report import describe_report
from tests.components.ingestion.helpers import ingest
from tests.components.ingestion.impression_helpers import CHAIN, LEAVE_ONE, impressions, impressions_of

CLICKED = {"click": {}, "conversion": {"column": "rating", "at_least": 4, "among": "click"}}
ROWS = [
    (f"u{user}", item, time, True, float(5 - time + user % 2))
    for user in range(40)
    for time, item in enumerate("abcdefgh"[user % 4 : user % 4 + 5])
]


def all_examples(out):
    return {split: impressions(out, split) for split in ("train", "valid", "test")}


def test_samples_are_labelled_0_and_are_none_of_the_users_own(tmp_path):
    report = ingest(impressions_of(tmp_path, ROWS, labels=CLICKED, sampled_impressions=3), tmp_path / "out")
    own = {f"u{user}": set("abcdefgh"[user % 4 : user % 4 + 5]) for user in range(40)}
    labels = ("label_click", "weight_click", "label_conversion", "weight_conversion")
    for split, found in all_examples(tmp_path / "out").items():
        sampled = [e for e in found if e["label_click"] == [0]]
        assert len(sampled) * 4 == len(found) * 3
        assert all(e["item"][0] not in own[e["user_id"][0]] for e in sampled)
        assert {tuple(e[name][0] for name in labels) for e in sampled} == {(0, 1, 0, 0)}
        assert all(not e["targets"] for e in sampled)
        histories = {(e["user_id"][0], tuple(e["history"])) for e in found if e["label_click"] == [1]}
        assert {(e["user_id"][0], tuple(e["history"])) for e in sampled} == histories
        assert report.label(split, "click") == (len(found) // 4, len(found))
        assert report.label(split, "conversion")[1] == len(found) // 4
    assert report.counts["sampled_impressions"] == 3 * report.counts["impressions"]
    assert f"{report.counts['impressions']} of the log, " in describe_report(report)


def test_the_first_held_out_row_carries_the_targets_and_its_samples_do_not(tmp_path):
    ingest(impressions_of(tmp_path, ROWS, labels=CLICKED, sampled_impressions=2, **LEAVE_ONE), tmp_path / "out")
    found = impressions(tmp_path / "out", "test")
    assert [bool(e["targets"]) for e in found] == [True, False, False] * 40
    assert all(e["targets"] == e["item"] for e in found[::3])


def test_samples_owe_nothing_to_shards_or_to_the_order_of_the_log(tmp_path, monkeypatch):
    first = impressions_of(tmp_path, ROWS, labels=CLICKED, sampled_impressions=3)
    ingest(first, tmp_path / "one")
    monkeypatch.setattr("components.ingestion.files.inputs._ROWS_OF_A_SHARD", 200)
    (tmp_path / "turned").mkdir()
    turned = impressions_of(tmp_path / "turned", ROWS[::-1], labels=CLICKED, sampled_impressions=3)
    ingest(turned, tmp_path / "other", 50, "--direct_running_mode=in_memory", "--direct_num_workers=2")
    assert len(list((tmp_path / "one" / "Split-train").iterdir())) == 1
    assert len(list((tmp_path / "other" / "Split-train").iterdir())) == 4  # 800 rows and samples
    for split in ("train", "valid", "test"):
        one, other = (
            sorted(str(sorted(e.items())) for e in impressions(tmp_path / name, split)) for name in ("one", "other")
        )
        assert one == other
    reseeded = first.model_copy(update={"split": first.split.model_copy(update={"seed": 5})})
    ingest(reseeded, tmp_path / "reseeded")
    everything = [
        sorted(
            str(sorted(e.items()))
            for found in all_examples(tmp_path / name).values()
            for e in found
            if e["label_click"] == [0]
        )
        for name in ("one", "reseeded")
    ]
    assert everything[0] != everything[1]


def test_users_who_know_every_item_have_no_samples(tmp_path):
    rows = [*ROWS, *(("all", item, time, True, 5.0) for time, item in enumerate("abcdefgh"))]
    report = ingest(
        impressions_of(tmp_path, rows, labels=CLICKED, sampled_impressions=2, **LEAVE_ONE), tmp_path / "out"
    )
    found = [e for part in all_examples(tmp_path / "out").values() for e in part if e["user_id"] == ["all"]]
    assert len(found) == 8 and all(e["label_click"] == [1] for e in found)
    assert report.counts["sampled_impressions_missing"] == 2 * 8
    assert "users who know every item: 16" in describe_report(report)


def test_samples_stand_beside_impressions_that_were_left_as_well(tmp_path):
    rows = [(user, item, time, time != 1, rating) for user, item, time, _, rating in ROWS]
    report = ingest(impressions_of(tmp_path, rows, labels=CHAIN, sampled_impressions=1), tmp_path / "out")
    positive, counted = report.label("train", "click")
    # Each user has 5 rows, of which the second was left; beside each of them stands one sample.
    assert len(impressions(tmp_path / "out", "train")) == counted and positive * 10 == counted * 4


def test_draws_follow_the_frequencies_of_what_is_not_the_users_own():
    frequencies = Frequencies(pa.array(list("abcdef")), np.array([10, 1, 40, 5, 20, 24]))
    users = pa.array(["u", "v"])
    sequences = Sequences(
        users=users,
        hashes=hash_strings(users),
        offsets=np.array([0, 3, 5]),
        items=np.array([0, 2, 0, 1, 2], dtype=np.int32),
        item_ids=pa.array(["c", "rare", "a"]),
        times=np.arange(5),
    )
    # u has c and a (and c once more); v has c as well, and "a".
    sequences.items = np.array([0, 2, 0, 0, 2], dtype=np.int32)
    sampler = Sampler(frequencies, sequences, seed=1)
    assert sampler.free.tolist() == [50, 50]
    draws = 40_000
    user = np.repeat([0, 1], draws)
    event = np.repeat([1, 4], draws)
    drawn = sampler.draw(user, event, np.tile(np.arange(1, draws + 1), 2))
    for one in (0, 1):
        counts = Counter("abcdef"[place] for place in drawn[user == one])
        assert set(counts) == set("bdef")
        for item, frequency in {"b": 1, "d": 5, "e": 20, "f": 24}.items():
            share = frequency / 50
            assert abs(counts[item] / draws - share) < 4 * np.sqrt(share * (1 - share) / draws)
    assert (drawn[user == 0] != drawn[user == 1]).any()


def test_uniform_draws_owe_nothing_to_the_frequencies(tmp_path):
    """Of the two items that are not the user's own, one has 30 events and the other 1."""
    rows = [(f"u{user}", item, time, True, 5.0) for user in range(30) for time, item in enumerate("abc")]
    rows += [(f"v{user}", item, time, True, 5.0 - time * 2) for user in range(200) for time, item in enumerate("de")]
    rows += [("w", "f", 1, True, 5.0), ("w", "d", 2, True, 1.0)]
    drawn = {}
    for way in ("frequency", "uniform"):
        ingest(
            impressions_of(tmp_path, rows, labels=CLICKED, sampled_impressions=4, sampled_by=way, min_item_count=1),
            tmp_path / way,
        )
        found = impressions(tmp_path / way, "train")
        drawn[way] = Counter(e["item"][0] for e in found if e["label_click"] == [0] and e["user_id"][0].startswith("v"))
    assert drawn["frequency"]["f"] * 10 < drawn["frequency"]["a"]
    assert 0.8 < drawn["uniform"]["f"] / drawn["uniform"]["a"] < 1.25
