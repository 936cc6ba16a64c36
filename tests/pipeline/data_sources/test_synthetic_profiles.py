import os
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from pipeline.cli import cli
from pipeline.data_sources import profile_world, synthetic_profiles
from trainer.errors import InputError

NUMBERS = {"users": 400, "items": 200, "tags": 20, "impressions": 60_000}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("profiles")
    synthetic_profiles.write(folder, **NUMBERS, seed=3)
    return folder


@pytest.fixture(scope="module")
def log(folder):
    return pq.read_table(folder / "impressions.parquet").to_pandas()


@pytest.fixture(scope="module")
def world():
    """The same as that of the tables: they are drawn after it."""
    return profile_world.make_world(np.random.default_rng(3), *(NUMBERS[name] for name in ("users", "items", "tags")))


def places(log):
    return (log[name].str[1:].astype(int).to_numpy() for name in ("user_id", "item_id"))


def test_the_log_has_what_was_asked_for(folder, log):
    assert sorted(os.listdir(folder)) == ["impressions.parquet", "items.parquet", "users.parquet"]
    assert pq.read_schema(folder / "impressions.parquet").types == [
        *(pa.string(), pa.string(), pa.int64()),
        *(pa.bool_(), pa.bool_()),
    ]
    assert len(log) == 60_000 and log["user_id"].nunique() == 400
    gaps = log.groupby("user_id")["timestamp"].diff().dropna()
    assert (gaps > 0).all()


def test_clicks_and_conversions_make_a_chain(log):
    assert abs(log["click"].mean() - 0.1) < 0.01
    assert not log["conversion"][~log["click"]].any()
    assert abs(log["conversion"][log["click"]].mean() - 0.125) < 0.02


def test_items_have_two_to_four_different_tags(folder):
    items = pq.read_table(folder / "items.parquet").to_pylist()
    assert items[13]["item_id"] == "i13" and items[13]["tags"][0] == "tag13"
    assert {len(item["tags"]) for item in items} == {2, 3, 4}
    assert all(len(set(item["tags"])) == len(item["tags"]) for item in items)
    held = Counter(tag for item in items for tag in item["tags"])
    assert len(held) == 20 and min(held.values()) >= 10


def test_clicks_follow_the_truth_and_conversions_another(folder, log):
    users = pq.read_table(folder / "users.parquet").to_pandas().set_index("user_id")
    tags = pq.read_table(folder / "items.parquet").to_pandas().set_index("item_id")["tags"]
    of_item = log["item_id"].map(tags)
    for truth, part, label in (
        ("liked_tags_click", log, "click"),
        ("liked_tags_conversion", log[log["click"]], "conversion"),
    ):
        liked = part["user_id"].map(users[truth])
        has = np.array([bool(set(one) & set(other)) for one, other in zip(liked, of_item[part.index], strict=True)])
        assert part[label][has].mean() > 2 * part[label][~has].mean()
    both = [set(a) & set(b) for a, b in zip(users["liked_tags_click"], users["liked_tags_conversion"], strict=True)]
    assert 5 * 5 / 20 < np.mean([len(common) for common in both]) < 4  # more than by chance, fewer than all


def test_the_truth_names_the_tags_that_users_like_most(folder, world):
    users = pq.read_table(folder / "users.parquet").to_pylist()
    for truth, likes in (("liked_tags_click", world.clicking), ("liked_tags_conversion", world.converting)):
        for user in (0, 7, 399):
            best = sorted(range(20), key=lambda tag: -likes[user, tag])[:5]
            assert users[user][truth] == [f"tag{tag}" for tag in best]
    correlation = np.corrcoef(world.clicking.ravel(), world.converting.ravel())[0, 1]
    assert 0.4 < correlation < 0.6


def test_probabilities_by_hand(world):
    user, item = 5, 8
    tags = world.tags[item, : world.tag_count[item]]
    score = sum(float(world.clicking[user, tag]) for tag in tags) / len(tags) ** 0.5
    expected = 1 / (1 + np.exp(-(2 * score + world.click_offset)))
    np.testing.assert_allclose(world.probabilities(np.array([user]), np.array([item]))[0], [expected], rtol=1e-5)


def test_the_log_is_drawn_with_those_probabilities(log, world):
    click, conversion = world.probabilities(*places(log))
    for label, probability, rows in (
        (log["click"], click, np.ones(len(log), dtype=bool)),
        (log["conversion"], conversion, log["click"].to_numpy()),
    ):
        label, probability = label.to_numpy()[rows], probability[rows]
        for part in np.array_split(np.argsort(probability), 4):
            error = 4 * np.sqrt(np.sum(probability[part] * (1 - probability[part]))) / len(part)
            assert abs(label[part].mean() - probability[part].mean()) < error


def test_half_of_a_profile_hints_at_the_group_and_half_does_not(folder, world):
    users = pq.read_table(folder / "users.parquet").to_pandas()
    of_group = [
        np.mean([int(topic[5:]) // 5 == group for topic in topics])
        for topics, group in zip(users["topics"], world.group, strict=True)
    ]
    assert abs(np.mean(of_group) - (0.8 + 0.2 / 8)) < 0.05
    regions = [region[0] == f"region{group}" for region, group in zip(users["region"], world.group, strict=True)]
    assert abs(np.mean(regions) - (0.5 + 0.5 / 8)) < 0.1
    assert np.corrcoef(users["age"], world.group)[0, 1] > 0.6
    assert abs(np.corrcoef(users["visits"], world.group)[0, 1]) < 0.2
    assert {len(devices) for devices in users["devices"]} == {1, 2, 3}


def test_repeatable_by_its_seed(folder, tmp_path):
    synthetic_profiles.write(tmp_path / "same", **NUMBERS, seed=3)
    synthetic_profiles.write(tmp_path / "other", **NUMBERS, seed=4)
    for name in ("impressions", "items", "users"):
        table = pq.read_table(folder / f"{name}.parquet")
        assert pq.read_table(tmp_path / "same" / f"{name}.parquet").equals(table)
        assert not pq.read_table(tmp_path / "other" / f"{name}.parquet").equals(table)


@pytest.mark.parametrize("wrong", [{"tags": 9}, {"items": 19}, {"users": 0}, {"impressions": 399}])
def test_numbers_that_do_not_go_together(tmp_path, wrong):
    with pytest.raises(InputError, match="Received"):
        synthetic_profiles.write(tmp_path / "out", **{**NUMBERS, **wrong})
    assert not (tmp_path / "out").exists()


def test_the_command(tmp_path):
    options = ["--users", "30", "--items", "20", "--tags", "10", "--impressions", "600", "--seed", "2"]
    done = CliRunner().invoke(cli, ["data", "synthetic-profiles", str(tmp_path), *options])
    assert done.exit_code == 0
    assert done.output == f"600 impressions of 30 users with 20 items of 10 tags in {tmp_path}\n"
    assert pq.read_table(tmp_path / "impressions.parquet").num_rows == 600
