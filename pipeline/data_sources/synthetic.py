"""Generated interaction log with planted interests, of any size.

Items belong to interests; an item's popularity follows Zipf's law. A user has a few interests with
weights of their own; their events come in sessions, and each session stays in one interest. What a
multi-interest model should find is therefore known: ``planted_interests`` in the users' table.
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

from trainer.errors import InputError

_ROWS_AT_A_TIME = 1_000_000
_INTERESTS_OF_A_USER = (1, 2, 3, 4)
_SESSION = 4.0  # mean number of events
_START = 1_600_000_000
_SECONDS_BETWEEN_SESSIONS = 2 * 86_400
_SECONDS_BETWEEN_EVENTS = 90
_ZIPF = 1.0


def write(
    directory: Path,
    users: int = 20_000,
    items: int = 5_000,
    interests: int = 50,
    interactions: int = 1_000_000,
    seed: int = 1,
) -> None:
    """Writes interactions.parquet, items.parquet and users.parquet, whole or not at all.

    Interactions: user_id, item_id, timestamp, sorted by user and time. Items: item_id, title, category
    (the planted interest). Users: user_id, planted_interests (list). The same arguments write the same
    tables. Memory does not grow with ``interactions``.

    Args:
      directory: is made when it does not exist.
      users: number of users; each has about ``interactions / users`` events, at least 1.
      items: number of items, at least ``interests``.
      interests: number of planted interests, at least 4.
      interactions: number of events; the log has exactly so many.
      seed: of the random numbers.

    Raises:
      InputError: numbers that do not go together.
    """
    if interests < max(_INTERESTS_OF_A_USER):
        raise InputError(f"interests must be at least {max(_INTERESTS_OF_A_USER)}. Received: {interests}.")
    if items < interests:
        raise InputError(f"items must be at least interests = {interests}. Received: {items}.")
    if users < 1 or interactions < users:
        raise InputError(
            f"interactions must be at least users = {users}, and users at least 1. Received: {interactions}."
        )
    directory.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".partial-", dir=directory))
    try:
        random = np.random.default_rng(seed)
        chosen = _choose_interests(random, users, interests)
        _write_items(staging / "items.parquet", items, interests)
        _write_users(staging / "users.parquet", chosen)
        _write_interactions(staging / "interactions.parquet", random, chosen, items, interests, interactions)
        for name in ("items.parquet", "users.parquet", "interactions.parquet"):
            os.replace(staging / name, directory / name)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _choose_interests(random: np.random.Generator, users: int, interests: int) -> npt.NDArray[np.int64]:
    """Interests [users, 4] of every user, the first counts; -1 where a user has fewer."""
    most = max(_INTERESTS_OF_A_USER)
    # Distinct by construction: a start on a ring, and steps round it that differ by at least one.
    steps = np.sort(random.integers(1, interests - most + 2, (users, most - 1)), axis=1) + np.arange(most - 1)
    chosen = (
        random.integers(0, interests, (users, 1)) + np.concatenate([np.zeros((users, 1), int), steps], 1)
    ) % interests
    count = random.choice(_INTERESTS_OF_A_USER, users)
    return np.where(np.arange(most) < count[:, None], chosen, -1)


def _names(prefix: str, numbers: npt.NDArray[np.int64]) -> pa.Array:
    return pc.binary_join_element_wise(prefix, pa.array(numbers).cast(pa.string()), "")


def _write_items(path: Path, items: int, interests: int) -> None:
    numbers = np.arange(items)
    category = _names("interest", numbers % interests)
    table = pa.table({"item_id": _names("i", numbers), "title": _names("Item ", numbers), "category": category})
    pq.write_table(table, path)


def _write_users(path: Path, chosen: npt.NDArray[np.int64]) -> None:
    present = chosen >= 0
    offsets = np.concatenate([[0], np.cumsum(present.sum(1))]).astype(np.int32)
    planted = pa.ListArray.from_arrays(pa.array(offsets), _names("interest", chosen[present]))
    pq.write_table(pa.table({"user_id": _names("u", np.arange(len(chosen))), "planted_interests": planted}), path)


def _write_interactions(
    path: Path,
    random: np.random.Generator,
    chosen: npt.NDArray[np.int64],
    items: int,
    interests: int,
    interactions: int,
) -> None:
    users = len(chosen)
    lengths = 1 + random.multinomial(interactions - users, random.dirichlet(np.full(users, 2.0)))
    weights = np.where(chosen >= 0, random.gamma(2.0, 1.0, chosen.shape), 0.0)
    cumulative = np.cumsum(weights / weights.sum(1, keepdims=True), axis=1)
    # Interest c holds the items c, c + interests, ...; the r-th most popular of them is c + r * interests.
    popularity = np.cumsum(1.0 / np.arange(1, items // interests + 1) ** _ZIPF)
    schema = pa.schema([("user_id", pa.string()), ("item_id", pa.string()), ("timestamp", pa.int64())])
    ends = np.cumsum(lengths)
    with pq.ParquetWriter(path, schema) as writer:
        first = 0
        while first < users:
            done = int(ends[first - 1]) if first else 0
            last = max(first + 1, int(np.searchsorted(ends, done + _ROWS_AT_A_TIME, side="right")))
            owner = np.repeat(np.arange(first, last), lengths[first:last])
            writer.write_table(_events(random, owner, chosen, cumulative, popularity, interests).cast(schema))
            first = last


def _events(
    random: np.random.Generator,
    owner: npt.NDArray[np.int64],
    chosen: npt.NDArray[np.int64],
    cumulative: npt.NDArray[np.float64],
    popularity: npt.NDArray[np.float64],
    interests: int,
) -> pa.Table:
    count = len(owner)
    new_user = np.concatenate([[True], owner[1:] != owner[:-1]])
    new_session = new_user | (random.random(count) < 1 / _SESSION)
    session = np.cumsum(new_session) - 1
    of_session = owner[new_session]
    drawn = random.random((len(of_session), 1)) * cumulative[of_session, -1:]
    place = np.minimum((drawn >= cumulative[of_session]).sum(1), (chosen[of_session] >= 0).sum(1) - 1)
    interest = chosen[of_session, place][session]
    rank = np.searchsorted(popularity, random.random(count) * popularity[-1], side="right")
    gap = random.exponential(np.where(new_session, _SECONDS_BETWEEN_SESSIONS, _SECONDS_BETWEEN_EVENTS))
    time = _START + np.cumsum(1 + gap.astype(np.int64))
    start_of_user = np.maximum.accumulate(np.where(new_user, np.arange(count), 0))
    time -= time[start_of_user] - _START - owner % 86_400
    item = interest + np.minimum(rank, len(popularity) - 1) * interests
    return pa.table({"user_id": _names("u", owner), "item_id": _names("i", item), "timestamp": time})
