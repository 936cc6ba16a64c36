"""Checks that served tag profiles match the trained model."""

import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from serving.bundle import manifest
from serving.bundle.signatures import TAG_PROFILE
from serving.client import Client
from serving.client.answers import TagProfile
from serving.publish.writer import read_description
from serving.runtime.servable import Servable
from serving.settings import ServingSettings
from serving.users import RawUser, as_tensors
from serving.validation.expected import top_k_recall, worst_difference
from serving.validation.report import Checks
from trainer.data.schema import user_feature

_BATCH = 16
_UNKNOWN_TAG = "\u2400 a tag that no item has"


class ProfileChecks:
    """The checks of a model of profiles; the trained model's own answer is its ``encode`` and products by NumPy.

    Args:
      model_dir: the trainer's SavedModel.
      users: real users.
      serving: thresholds and default k.

    Raises:
      InputError: the folder is not what the trainer saves.
    """

    def __init__(self, model_dir: str, users: Sequence[RawUser], serving: ServingSettings) -> None:
        self._users, self._serving = users, serving
        description = read_description(model_dir)
        trained = tf.saved_model.load(model_dir)
        vectors = trained.encode(*as_tensors(users, description.user_features))["vectors"].numpy()
        self._tasks = [task.decode() for task in trained.task_names.numpy()]
        self._tags = [tag.decode() for tag in trained.tag_names.numpy()]
        self._row_of = {tag: row for row, tag in enumerate(self._tags)}
        scores = np.einsum("byd,ynd->byn", vectors, trained.tag_vectors.numpy())
        self._logits = scores + trained.tag_bias.numpy()[:, np.newaxis]

    def served(self, client: Client, kind: str, checks: Checks) -> None:
        """What the server answers, over gRPC, from an index of this kind."""
        self._check_profiles(client, kind, checks)
        self._check_scores(client, checks)
        self._check_nobody(client, checks)
        self._check_latency(client, checks)

    def stock(self, bundle_dir: str, checks: Checks) -> None:
        """The SavedModel for any TensorFlow Serving, which polyrec's server leaves aside when there is a ScaNN one."""
        stated = manifest.read(bundle_dir)
        history, times, profile = as_tensors(self._users, stated.inputs.user_features)
        servable = Servable(Path(bundle_dir))
        try:
            outputs = servable.run(
                TAG_PROFILE,
                {
                    "history": history.numpy(),
                    "history_time": times.numpy(),
                    "k": np.array(self._serving.default_k, np.int32),
                    **{user_feature(name): values.numpy() for name, values in profile.items()},
                },
            )
        finally:
            servable.close()
        recalls = [
            self._recall(user, task, [tag.decode() for tag in outputs["tags"][user, task]])
            for user in range(len(self._users))
            for task in range(len(self._tasks))
        ]
        checks.at_least(
            "stock", statistics.fmean(recalls), 1.0, "Part of the exact profile that the stock SavedModel finds"
        )

    def _ask(self, client: Client, users: Sequence[RawUser]) -> list[TagProfile]:
        answers: list[TagProfile] = []
        for start in range(0, len(users), _BATCH):
            batch = users[start : start + _BATCH]
            answers += client.tag_profile(
                [user.history for user in batch],
                self._serving.default_k,
                [user.times for user in batch],
                [user.features for user in batch],
            )
        return answers

    def _recall(self, user: int, task: int, tags: Sequence[str]) -> float:
        found = np.array([self._row_of.get(tag, -1) for tag in tags], int)
        return top_k_recall(found, self._logits[user, task], self._serving.default_k, self._serving.score_tolerance)

    def _check_profiles(self, client: Client, kind: str, checks: Checks) -> None:
        worst, recalls = 0.0, []
        for user, answer in enumerate(self._ask(client, self._users)):
            if list(answer.tasks) != self._tasks:
                checks.add("tasks", False, f"The server knows the tasks {', '.join(answer.tasks)}.")
                return
            for task, listed in enumerate(answer.tasks.values()):
                tags = [entry.tag for entry in listed]
                if unknown := [tag for tag in tags if tag not in self._row_of]:
                    checks.add(
                        "scores", False, f"The server answers with {unknown[0]!r}, which is no tag of the model."
                    )
                    return
                rows = [self._row_of[tag] for tag in tags]
                trained = _sigmoid(self._logits[user, task, rows])
                worst = worst_difference(worst, np.array([entry.score for entry in listed]), trained)
                recalls.append(self._recall(user, task, tags))
        checks.at_most("scores", worst, self._serving.score_tolerance, "Largest relative difference of a score")
        least = 1.0 if kind == "exact" else self._serving.min_ann_recall
        words = f"Part of the exact top {self._serving.default_k} tags that the {kind} index finds"
        checks.at_least("recall", statistics.fmean(recalls), least, words)

    def _check_scores(self, client: Client, checks: Checks) -> None:
        user, tags = self._users[0], [*self._tags[: self._serving.default_k], _UNKNOWN_TAG]
        (answer,) = client.tag_scores([user.history], [tags], [user.times], [user.features])
        if answer.known != [True] * (len(tags) - 1) + [False]:
            checks.add("tag_scores", False, "Asked for scores of tags, the server mistakes which tags there are.")
            return
        served = np.array([scores[:-1] for scores in answer.tasks.values()])
        worst = worst_difference(0.0, served, _sigmoid(self._logits[0, :, : len(tags) - 1]))
        checks.at_most("tag_scores", worst, self._serving.score_tolerance, "Largest difference of a given tag's score")

    def _check_nobody(self, client: Client, checks: Checks) -> None:
        (answer,) = client.tag_profile([[]], self._serving.default_k)
        scores = [entry.score for listed in answer.tasks.values() for entry in listed]
        good = answer.fallback and bool(scores) and bool(np.isfinite(scores).all())
        words = "A user of whom nothing is known gets the profile of nobody in particular"
        checks.add("fallback", good, f"{words}." if good else f"{words}: not here.")

    def _check_latency(self, client: Client, checks: Checks) -> None:
        milliseconds = []
        for user in self._users:
            start = time.perf_counter()
            self._ask(client, [user])
            milliseconds.append((time.perf_counter() - start) * 1000)
        limit = float("inf") if self._serving.max_latency_ms is None else self._serving.max_latency_ms
        checks.at_most("latency", statistics.median(milliseconds), limit, "Median milliseconds of one user's query")


def _sigmoid(logits: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.floating[Any]]:
    return np.asarray(1.0 / (1.0 + np.exp(-logits)))
