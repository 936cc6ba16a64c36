"""Generated accounts that two MovieLens-100K users share: a log of users with several tastes.

Two people of MovieLens are drawn for each account, at random and each once. Who rated what is real; that they share an
account, and when they do, is made up: they take turns, an evening of a few films each.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.data_sources import movielens_100k

_EVENING = 6.0  # mean number of films
_START = 875_000_000  # in seconds, at about the time of the ratings
_DAY = 86_400
_BETWEEN_FILMS = 600


def fetch(directory: Path, cache: Path | None = None, seed: int = 1) -> str:
    """Writes interactions.parquet, items.parquet and users.parquet.

    Interactions: user_id (``a+b``), item_id, timestamp, person (a or b). Users: user_id, persons (list). Items as of
    MovieLens-100K. The same seed writes the same tables.

    Args:
      directory: is made when it does not exist; holds MovieLens-100K itself in the folder ``movielens-100k``.
      cache: see :func:`pipeline.data_sources.movielens_100k.fetch`.
      seed: of pairs and evenings.

    Returns:
      What it is and the licence of MovieLens, to be shown.

    Raises:
      InputError: MovieLens-100K cannot be had.
    """
    source = directory / "movielens-100k"
    licence = movielens_100k.fetch(source, cache)
    log = pq.read_table(source / "interactions.parquet", columns=["user_id", "item_id", "timestamp"])
    accounts = shared(log, seed)
    persons = sorted(set(accounts.column("user_id").to_pylist()))
    users = pa.table({"user_id": persons, "persons": [account.split("+") for account in persons]})
    items = pq.read_table(source / "items.parquet")
    movielens_100k.write(directory, {"items": items, "users": users, "interactions": accounts})
    return f"Made-up accounts, each shared by two people of MovieLens. {licence}"


def shared(log: pa.Table, seed: int) -> pa.Table:
    """Joins the histories of two people at a time.

    Args:
      log: user_id, item_id, timestamp.
      seed: of pairs and evenings.

    Returns:
      user_id, item_id, timestamp, person: every event of the log once, each person's in their order; without the last
      person where their number is odd.
    """
    rng = np.random.default_rng(seed)
    order = np.lexsort((np.asarray(log.column("timestamp")), log.column("user_id").to_numpy()))
    people, starts = np.unique(log.column("user_id").to_numpy()[order], return_index=True)
    events = dict(zip(people, np.split(log.column("item_id").to_numpy()[order], starts[1:]), strict=True))
    drawn = rng.permutation(people)
    columns: dict[str, list[object]] = {"user_id": [], "item_id": [], "timestamp": [], "person": []}
    for first, second in zip(drawn[0::2], drawn[1::2], strict=False):
        left = {first: list(events[first]), second: list(events[second])}
        evening = 0
        while any(left.values()):
            # Who has more films left has more evenings left, so that both are there to the end.
            weights = np.array([len(left[first]), len(left[second])], float)
            person = (first, second)[rng.choice(2, p=weights / weights.sum())]
            for place in range(1 + rng.poisson(_EVENING - 1)):
                if left[person]:
                    columns["user_id"].append(f"{first}+{second}")
                    columns["item_id"].append(left[person].pop(0))
                    columns["timestamp"].append(_START + evening * _DAY + place * _BETWEEN_FILMS)
                    columns["person"].append(person)
            evening += 1
    return pa.table(columns)
