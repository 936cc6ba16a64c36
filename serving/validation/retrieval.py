"""Checks that the server recommends what the trained model does."""

import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from serving.bundle import manifest
from serving.client import Client
from serving.runtime.servable import Servable
from serving.settings import ServingSettings
from serving.users import RawUser, as_tensors
from serving.validation.expected import TrainedAnswer, top_k_recall, trained_answer, worst_difference
from serving.validation.filters import check_filters
from serving.validation.replay_users import BATCH, ask
from serving.validation.report import Checks
from trainer.data.schema import user_feature

_FILTERING_USERS = 16
_UNKNOWN_ITEM = "\u2400 an id that no catalogue has"


class RecommendationChecks:
    """The checks of a model that retrieves items.

    Args:
      model_dir: the trainer's SavedModel.
      users: real users.
      serving: thresholds and default k.
    """

    def __init__(self, model_dir: str, users: Sequence[RawUser], serving: ServingSettings) -> None:
        self._trained, self._users, self._serving = trained_answer(model_dir, users), users, serving

    def served(self, client: Client, kind: str, checks: Checks) -> None:
        """What the server answers, over gRPC, from an index of this kind."""
        trained, users, serving = self._trained, self._users, self._serving
        _check_interests(client, trained, users, serving, checks)
        _check_recommendations(client, trained, users, serving, kind, checks)
        _check_exclusion(client, trained, users, serving, checks)
        check_filters(client, trained, users[:_FILTERING_USERS], serving, kind, checks)
        _check_fallback(client, trained, serving, checks)
        _check_latency(client, users, serving, checks)

    def stock(self, bundle_dir: str, checks: Checks) -> None:
        """The SavedModel for any TensorFlow Serving."""
        _check_stock_model(bundle_dir, self._trained, self._users, self._serving, checks)


def _check_interests(
    client: Client, trained: TrainedAnswer, users: Sequence[RawUser], serving: ServingSettings, checks: Checks
) -> None:
    served: list[npt.NDArray[np.float32]] = []
    for start in range(0, len(users), BATCH):
        batch = users[start : start + BATCH]
        served += client.user_interests(
            [user.history for user in batch], [user.times for user in batch], [user.features for user in batch]
        )
    worst = 0.0
    for found, interests, mask in zip(served, trained.interests, trained.mask, strict=True):
        if found.shape != interests[mask].shape:
            checks.add("interests", False, f"A user has {len(found)} served and {mask.sum()} trained interests.")
            return
        worst = worst_difference(worst, found, interests[mask])
    checks.at_most("interests", worst, serving.score_tolerance, "Largest relative difference of an interest vector")


def _check_recommendations(
    client: Client,
    trained: TrainedAnswer,
    users: Sequence[RawUser],
    serving: ServingSettings,
    kind: str,
    checks: Checks,
) -> None:
    worst, recalls = 0.0, []
    for user, answer in enumerate(ask(client, users, serving.default_k)):
        unknown = [item.item_id for item in answer.items if item.item_id not in trained.row_of]
        if unknown:
            checks.add("scores", False, f"The server recommends {unknown[0]!r}, which the trained model does not know.")
            return
        if answer.fallback:
            continue
        reasons = {item.because for item in answer.items} - set(users[user].history)
        if reasons:
            checks.add("because", False, f"{reasons.pop()!r} is given as a reason and is not in the user's history.")
            return
        found = np.array([trained.row_of[item.item_id] for item in answer.items], int)
        served = np.array([item.score for item in answer.items])
        winners = [item.interest for item in answer.items]
        by_interest = trained.scores(int(user))
        scores = trained.merged(by_interest)
        worst = worst_difference(worst, served, scores[found])
        worst = worst_difference(worst, by_interest[winners, found], by_interest.max(axis=0)[found])
        recalls.append(top_k_recall(found, scores, serving.default_k, serving.score_tolerance))
    checks.at_most("scores", worst, serving.score_tolerance, "Largest relative difference of a score")
    least = 1.0 if kind == "exact" else serving.min_ann_recall
    words = f"Part of the exact top {serving.default_k} that the {kind} index finds"
    checks.at_least("recall", _mean(recalls), least, words)


def _check_exclusion(
    client: Client, trained: TrainedAnswer, users: Sequence[RawUser], serving: ServingSettings, checks: Checks
) -> None:
    for user, answer in zip(users, ask(client, users, serving.default_k, exclude_history=True), strict=True):
        seen = set(user.history)
        again = [item.item_id for item in answer.items if item.item_id in seen]
        left = min(serving.default_k, len(trained.ids) - len(seen & trained.row_of.keys()))
        if again or len(answer.items) != left:
            problem = f"{again[0]!r} was recommended all the same" if again else f"{len(answer.items)} items of {left}"
            checks.add("exclusion", False, f"With the history excluded: {problem}.")
            return
    checks.add("exclusion", True, "An excluded history is not recommended, and the lists are full.")


def _check_fallback(client: Client, trained: TrainedAnswer, serving: ServingSettings, checks: Checks) -> None:
    popular = trained.ids[: serving.default_k]
    for history, words in (([], "an empty history"), ([_UNKNOWN_ITEM], "a history of unknown items")):
        answer = client.recommend([history], k=serving.default_k)[0]
        if not answer.fallback or [item.item_id for item in answer.items] != popular:
            checks.add("fallback", False, f"For {words} the server does not answer with the most popular items.")
            return
    checks.add("fallback", True, "Empty and unknown histories get the most popular items.")


def _check_latency(client: Client, users: Sequence[RawUser], serving: ServingSettings, checks: Checks) -> None:
    milliseconds = []
    for user in users:
        start = time.perf_counter()
        ask(client, [user], serving.default_k)
        milliseconds.append((time.perf_counter() - start) * 1000)
    limit = float("inf") if serving.max_latency_ms is None else serving.max_latency_ms
    checks.at_most("latency", statistics.median(milliseconds), limit, "Median milliseconds of one user's query")


def _check_stock_model(
    bundle_dir: str, trained: TrainedAnswer, users: Sequence[RawUser], serving: ServingSettings, checks: Checks
) -> None:
    """The SavedModel for any TensorFlow Serving, which polyrec's server leaves aside when there is a ScaNN one."""
    stated = manifest.read(bundle_dir)
    history, times, profile = as_tensors(users, stated.inputs.user_features)
    servable = Servable(Path(bundle_dir))
    try:
        outputs = servable.run(
            "recommend",
            {
                "history": history.numpy(),
                "history_time": times.numpy(),
                "exclude": np.zeros((len(users), 0), object),
                "exclude_history": np.array(False),
                "k": np.array(serving.default_k, np.int32),
                "diversity": np.array(0.0, np.float32),
                **{user_feature(name): values.numpy() for name, values in profile.items()},
            },
        )
    finally:
        servable.close()
    recalls = []
    for user in np.flatnonzero(~outputs["fallback"]):
        found = [trained.row_of.get(item.decode(), -1) for item in outputs["item_ids"][user]]
        recalls.append(
            top_k_recall(
                np.array(found, int),
                trained.merged(trained.scores(int(user))),
                serving.default_k,
                serving.score_tolerance,
            )
        )
    checks.at_least("stock", _mean(recalls), 1.0, "Part of the exact list that the stock SavedModel finds")


def _mean(values: list[float]) -> float:
    return statistics.fmean(values) if values else 1.0
