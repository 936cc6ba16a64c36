"""Replays users of a log against a server."""

from collections.abc import Sequence
from typing import Any

from serving.client import Client
from serving.client.answers import Recommendations
from serving.users import RawUser

BATCH = 16
"""Users asked for at once."""


def ask(client: Client, users: Sequence[RawUser], k: int, **options: Any) -> list[Recommendations]:
    """One answer a user.

    Args:
      client: of the server.
      users: any number.
      k: items a user.
      **options: further arguments of :meth:`serving.client.Client.recommend`, for all users.

    Raises:
      ClientError: the server refused or did not answer.
    """
    answers: list[Recommendations] = []
    for start in range(0, len(users), BATCH):
        batch = users[start : start + BATCH]
        answers += client.recommend(
            [user.history for user in batch],
            k=k,
            times=[user.times for user in batch],
            user_features=[user.features for user in batch],
            **options,
        )
    return answers
