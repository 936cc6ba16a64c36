"""Reference answers computed from the trained model, independent of the serving code."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from serving.graph.items import trained_items
from serving.publish.writer import read_description
from serving.users import RawUser, as_tensors
from trainer.data.item_attributes import ItemAttributes

_LEAST_SCALE = 1e-6


@dataclass(frozen=True)
class TrainedAnswer:
    """The trained model's answer for the users.

    Attributes:
      interests: float32 [B, K, D].
      mask: bool [B, K].
      vectors: float32 [N, D].
      ids: the N items.
      attributes: of the N items.
      ranking_temperature: of the log-sum-exp over interests that items are ranked by; None for the maximum.
    """

    interests: npt.NDArray[np.float32]
    mask: npt.NDArray[np.bool_]
    vectors: npt.NDArray[np.float32]
    ids: list[str]
    attributes: ItemAttributes
    ranking_temperature: float | None = None

    @cached_property
    def row_of(self) -> dict[str, int]:
        """Row of each item."""
        return {item: row for row, item in enumerate(self.ids)}

    def scores(self, user: int) -> npt.NDArray[np.floating[Any]]:
        """[K, N], -inf for inactive interests. One user at a time: those of all would not fit into memory."""
        return np.where(self.mask[user][:, np.newaxis], self.interests[user] @ self.vectors.T, -np.inf)

    def merged(self, by_interest: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.floating[Any]]:
        """What items are ranked by, [N], from the scores [K, N] of a user with an active interest."""
        tau = self.ranking_temperature
        if tau is None:
            return np.asarray(by_interest.max(axis=0))
        return np.asarray(tau * np.logaddexp.reduce(by_interest / tau, axis=0))


def trained_answer(model_dir: str, users: Sequence[RawUser]) -> TrainedAnswer:
    """Encodes the users with the trainer's SavedModel.

    Args:
      model_dir: the SavedModel.
      users: real users.

    Raises:
      InputError: the folder is not what the trainer saves.
    """
    description = read_description(model_dir)
    trained = tf.saved_model.load(model_dir)
    encoded = trained.encode(*as_tensors(users, description.user_features))
    interests, mask = encoded["interests"].numpy(), encoded["interest_mask"].numpy()
    items = trained_items(trained)
    return TrainedAnswer(
        interests,
        mask,
        items.vectors,
        [item.decode() for item in items.ids],
        items.attributes,
        description.ranking_temperature,
    )


def worst_difference(
    worst: float, served: npt.NDArray[np.floating[Any]], *trained: npt.NDArray[np.floating[Any]]
) -> float:
    """The largest difference so far, relative to the largest trained value; NaN and infinity count as infinite."""
    for values in trained:
        if served.size:
            scale = max(float(np.abs(values).max()), _LEAST_SCALE)
            difference = float(np.abs(served - values).max()) / scale
            worst = max(worst, difference if np.isfinite(difference) else float("inf"))
    return worst


def top_k_recall(
    found: npt.NDArray[np.integer[Any]], scores: npt.NDArray[np.floating[Any]], k: int, tolerance: float
) -> float:
    """The part of one user's true top k that is among ``found``, rows of items.

    Items whose scores equal the k-th best within the tolerance are interchangeable: rounding decides among them.

    Args:
      found: int [k or fewer], -1 for an item that does not exist.
      scores: float32 [N], the true ones.
      k: length of the list; of a smaller catalogue, its size.
      tolerance: relative to the best score.
    """
    k = min(k, len(scores))
    best = np.sort(np.partition(scores, len(scores) - k)[-k:])
    margin = tolerance * max(abs(float(best[-1])), _LEAST_SCALE)
    good = scores[np.unique(found[found >= 0])] >= best[0] - margin
    return float(good.sum() / k)
