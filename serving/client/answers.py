"""Return values and errors of the client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class ClientError(Exception):
    """A call that failed.

    Attributes:
      code: name of the gRPC status, such as ``NOT_FOUND``.
      text: what the server said, or what to do.
    """

    def __init__(self, code: str, text: str) -> None:
        self.code, self.text = code, text
        super().__init__(f"{code}: {text}")


@dataclass(frozen=True)
class Recommendation:
    """One recommended item.

    Attributes:
      item_id: of the item.
      score: inner product with the interest that won.
      interest: number of that interest, from 0.
      because: id of the history item that adds most to the score; empty in a fallback.
    """

    item_id: str
    score: float
    interest: int
    because: str


@dataclass(frozen=True)
class Recommendations:
    """The answer for one user.

    Attributes:
      items: best first; fewer than k if the catalogue has no more.
      fallback: the history held no known item, so these are the popular ones.
      unmatched_filters: values of ``allow`` and ``deny`` that no item has, as they were asked for; a model of an
        earlier polyrec does not tell.
    """

    items: tuple[Recommendation, ...]
    fallback: bool
    unmatched_filters: tuple[str, ...] = ()


@dataclass(frozen=True)
class Explanation:
    """Why one item would be recommended to one user, or not.

    Attributes:
      item_id: of the item.
      known: whether the model knows it.
      interest: number of the interest that answers best to it; None for an unknown item or a user without interests.
      interest_scores: inner product with each interest; -inf for an inactive one. The score that the item is ranked by
        is the largest of them, or with ``model.ranking: log_sum_exp`` at most tau log K above it.
      weights: (item of the history, its weight in that interest), oldest first.
    """

    item_id: str
    known: bool
    interest: int | None
    interest_scores: tuple[float, ...]
    weights: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class ScoredTag:
    """One tag of a profile.

    Attributes:
      tag: its name.
      score: probability that the user does the task with an item of that tag alone.
    """

    tag: str
    score: float


@dataclass(frozen=True)
class TagProfile:
    """What one user likes.

    Attributes:
      tasks: task -> tags, best first; fewer than k if there are no more.
      fallback: nothing of the user is known, so this is the profile of nobody in particular.
    """

    tasks: dict[str, tuple[ScoredTag, ...]]
    fallback: bool


@dataclass(frozen=True)
class TagScores:
    """What one user thinks of given tags.

    Attributes:
      tasks: task -> scores in the order of the tags asked for, 0 for an unknown tag.
      known: whether the model knows each of the tags.
      fallback: nothing of the user is known.
    """

    tasks: dict[str, list[float]]
    known: list[bool]
    fallback: bool


@dataclass(frozen=True)
class VersionStatus:
    """One version of a model, as the server reports it.

    Attributes:
      version: its number.
      state: ``START``, ``LOADING``, ``AVAILABLE``, ``UNLOADING`` or ``END``.
      error: why it was refused; empty unless it was.
    """

    version: int
    state: str
    error: str


class Input(NamedTuple):
    """An input of a signature.

    Attributes:
      dtype: such as ``string`` or ``int64``.
      shape: sizes, None where any will do.
      optional: whether the server has a value for a request without it.
    """

    dtype: str
    shape: tuple[int | None, ...]
    optional: bool = False
