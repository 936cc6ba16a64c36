"""Generated impression log with known liked tags and a chain from click to conversion.

The model that writes it. There are 8 groups, and T tags. N(0, 1) is drawn anew for each number, group or user g, u
and tag t:

    item i         has the tags S(i): i mod T and, all different, 1 to 3 others, uniform; it is shown with a
                   probability in proportion to 1 / sqrt(1 + i)
    user u         is of one group g(u), uniform
    for clicking   a(u,t) = r C(g(u),t) + sqrt(1 - r^2) A(u,t)                      r = 0.7,  C, A ~ N(0, 1)
    otherwise      b(u,t) = r D(g(u),t) + sqrt(1 - r^2) B(u,t)                                D, B ~ N(0, 1)
    for converting v(u,t) = k a(u,t) + sqrt(1 - k^2) b(u,t)                         k = 0.5
    score          s_a(u,i) = sum of a(u,t) over t in S(i) / sqrt(|S(i)|), and s_v(u,i) from v in the same way
    click          with probability sigmoid(2 s_a(u,i) + c)
    conversion     only after a click, with probability sigmoid(2 s_v(u,i) + d)

c and d are such that about 10 % of the impressions are clicked and 12.5 % of the clicks convert. So a part of the
preferences is shared by a group, at which the profile hints, and the other part shows in what the user clicked.

The fields of a profile: ``topics`` (3 values of 40; with probability 0.8 each of the group's own 5, else uniform),
``region`` (one of 8; with probability 0.5 the group's, else uniform) and ``age`` (normal, mean 25 + 5 g, deviation
10) hint at the group; ``devices`` (1 to 3 of 6, uniform) and ``visits`` (whole number, Poisson of mean 20) do not.
"""

import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.data_sources.profile_world import GROUPS, MOST_TAGS, Floats, Ints, World, draw_items, make_world
from trainer.errors import InputError

LIKED = 5
"""How many tags of a user the columns of the truth name."""

_TOPICS_OF_A_GROUP = 5
_ROWS_AT_A_TIME = 1_000_000
_START = 1_600_000_000
_SECONDS_BETWEEN = 3_600


def write(
    directory: Path,
    users: int = 5_000,
    items: int = 2_000,
    tags: int = 40,
    impressions: int = 500_000,
    seed: int = 1,
) -> None:
    """Writes impressions.parquet, items.parquet and users.parquet, whole or not at all.

    Impressions: user_id, item_id, timestamp, click, conversion, sorted by user and time. Items: item_id, title, tags
    (list). Users: user_id, topics, region, devices (lists), age, visits, and the truth, ``liked_tags_click`` and
    ``liked_tags_conversion``: the 5 tags with the largest a(u,t) and v(u,t), best first. The same arguments write the
    same tables. Memory grows with ``users`` times ``tags``, and not with ``impressions``.

    Args:
      directory: is made when it does not exist.
      users: number of users; each has about ``impressions / users`` rows, at least 1.
      items: number of items, at least ``tags``.
      tags: T, at least 10.
      impressions: number of rows of the log.
      seed: of the random numbers.

    Raises:
      InputError: numbers that do not go together.
    """
    if tags < 2 * LIKED:
        raise InputError(f"tags must be at least {2 * LIKED}. Received: {tags}.")
    if items < tags:
        raise InputError(f"items must be at least tags = {tags}. Received: {items}.")
    if users < 1 or impressions < users:
        raise InputError(
            f"impressions must be at least users = {users}, and users at least 1. Received: {impressions}."
        )
    directory.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".partial-", dir=directory))
    try:
        random = np.random.default_rng(seed)
        world = make_world(random, users, items, tags)
        pq.write_table(_items(world), staging / "items.parquet")
        pq.write_table(_users(random, world), staging / "users.parquet")
        _write_impressions(staging / "impressions.parquet", random, world, impressions)
        for name in ("items.parquet", "users.parquet", "impressions.parquet"):
            os.replace(staging / name, directory / name)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _names(prefix: str, numbers: npt.NDArray[np.int64]) -> pa.Array:
    return pc.binary_join_element_wise(prefix, pa.array(numbers).cast(pa.string()), "")


def _lists(prefix: str, numbers: npt.NDArray[np.int64], held: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    """Lists of names [n] out of numbers [n, m], of those that are ``held`` [n, m]."""
    held = np.ones(numbers.shape, dtype=bool) if held is None else held
    offsets = np.concatenate([[0], np.cumsum(held.sum(1))]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), _names(prefix, numbers[held]))


def _items(world: World) -> pa.Table:
    numbers = np.arange(len(world.tags))
    held = np.arange(MOST_TAGS) < world.tag_count[:, None]
    tags = _lists("tag", world.tags, held)
    return pa.table({"item_id": _names("i", numbers), "title": _names("Item ", numbers), "tags": tags})


def _users(random: np.random.Generator, world: World) -> pa.Table:
    users, group = len(world.group), world.group
    own = group[:, None] * _TOPICS_OF_A_GROUP + random.integers(0, _TOPICS_OF_A_GROUP, (users, 3))
    topics = np.where(random.random((users, 3)) < 0.8, own, random.integers(0, GROUPS * _TOPICS_OF_A_GROUP, (users, 3)))
    region = np.where(random.random(users) < 0.5, group, random.integers(0, GROUPS, users))
    devices = random.permuted(np.tile(np.arange(6), (users, 1)), axis=1)[:, :3]
    held = np.arange(3) < random.integers(1, 4, users)[:, None]
    return pa.table(
        {
            "user_id": _names("u", np.arange(users)),
            "topics": _lists("topic", topics),
            "region": _lists("region", region[:, None]),
            "devices": _lists("device", devices, held),
            "age": random.normal(25 + 5 * group, 10),
            "visits": random.poisson(20, users),
            "liked_tags_click": _lists("tag", _largest(world.clicking)),
            "liked_tags_conversion": _lists("tag", _largest(world.converting)),
        }
    )


def _largest(likes: Floats) -> Ints:
    return np.argsort(-likes, axis=1, kind="stable")[:, :LIKED]


def _write_impressions(path: Path, random: np.random.Generator, world: World, impressions: int) -> None:
    users = len(world.group)
    lengths = 1 + random.multinomial(impressions - users, random.dirichlet(np.full(users, 4.0)))
    ends = np.cumsum(lengths)
    columns = {"user_id": pa.string(), "item_id": pa.string(), "timestamp": pa.int64()}
    schema = pa.schema([*columns.items(), ("click", pa.bool_()), ("conversion", pa.bool_())])
    with pq.ParquetWriter(path, schema) as writer:
        first = 0
        while first < users:
            done = int(ends[first - 1]) if first else 0
            last = max(first + 1, int(np.searchsorted(ends, done + _ROWS_AT_A_TIME, side="right")))
            user = np.repeat(np.arange(first, last), lengths[first:last])
            writer.write_table(_impressions(random, world, user).cast(schema))
            first = last


def _impressions(random: np.random.Generator, world: World, user: Ints) -> pa.Table:
    item = draw_items(random, world, len(user))
    of_click, of_conversion = world.probabilities(user, item)
    click = random.random(len(user)) < of_click
    conversion = click & (random.random(len(user)) < of_conversion)
    # Every gap is at least a second; that to the user before does not matter.
    gaps = 1 + np.floor(random.exponential(_SECONDS_BETWEEN, len(user))).astype(np.int64)
    new = np.concatenate([[True], user[1:] != user[:-1]])
    total = np.cumsum(gaps)
    time = _START + total - total[np.flatnonzero(new)][np.cumsum(new) - 1]
    columns = {"user_id": _names("u", user), "item_id": _names("i", item), "timestamp": time}
    return pa.table({**columns, "click": click, "conversion": conversion})
