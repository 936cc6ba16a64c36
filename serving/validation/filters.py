"""Checks that the server respects filters and finds the best of the remaining items."""

import statistics
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from serving.client import Client
from serving.client.answers import Recommendations
from serving.settings import ServingSettings
from serving.users import RawUser
from serving.validation.expected import TrainedAnswer, top_k_recall
from serving.validation.replay_users import ask
from serving.validation.report import Checks


def check_filters(
    client: Client,
    trained: TrainedAnswer,
    users: Sequence[RawUser],
    serving: ServingSettings,
    kind: str,
    checks: Checks,
) -> None:
    """Allows and denies the rarest and the most frequent value of the items' attributes.

    Args:
      client: of the server.
      trained: the trained model's answer for the users.
      users: the first of those, or all.
      serving: thresholds and default k.
      kind: of the index.
      checks: what was found is added; nothing, where items have no attributes.
    """
    counts = trained.attributes.counts
    present = np.flatnonzero(counts)
    if not present.size:
        return
    recalls: list[float] = []
    for number in {present[counts[present].argmin()], present[counts[present].argmax()]}:
        value = trained.attributes.values[number]
        having = trained.attributes.having(value)
        for option, allowed in (("allow", having), ("deny", ~having)):
            answers = ask(client, users, serving.default_k, **{option: [value.decode()]})
            if (problem := _problem(answers, trained, allowed, serving.default_k)) is not None:
                checks.add("filters", False, f"With {option} {value.decode()!r}: {problem}.")
                return
            recalls += _recalls(answers, trained, allowed, serving)
    checks.add("filters", True, "Filters hold, and the lists are full.")
    least = 1.0 if kind == "exact" else serving.min_ann_recall
    recall = statistics.fmean(recalls) if recalls else 1.0
    checks.at_least("filtered_recall", recall, least, "The same part of the exact list with a filter")


def _problem(
    answers: list[Recommendations], trained: TrainedAnswer, allowed: npt.NDArray[np.bool_], k: int
) -> str | None:
    full = min(k, int(allowed.sum()))
    for answer in answers:
        wrong = [item.item_id for item in answer.items if not allowed[trained.row_of[item.item_id]]]
        if wrong:
            return f"{wrong[0]!r} was recommended all the same"
        if len(answer.items) != full:
            return f"{len(answer.items)} items of {full}"
    return None


def _recalls(
    answers: list[Recommendations], trained: TrainedAnswer, allowed: npt.NDArray[np.bool_], serving: ServingSettings
) -> list[float]:
    """The part of each user's exact list of allowed items that was found; of users of whom something is known."""
    rows = np.flatnonzero(allowed)
    if not rows.size:
        return []
    place = np.full(len(allowed), -1)
    place[rows] = np.arange(len(rows))
    recalls = []
    for user, answer in enumerate(answers):
        if not answer.fallback:
            found = place[[trained.row_of[item.item_id] for item in answer.items]]
            scores = trained.merged(trained.scores(user)[:, rows])
            recalls.append(top_k_recall(found, scores, serving.default_k, serving.score_tolerance))
    return recalls
