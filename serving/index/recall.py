"""Recall of an approximate index against exact search."""

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from serving.index.base import Index


def ann_recall(index: Index, exact: Index, interests: tf.Tensor, interest_mask: tf.Tensor, k: int) -> float:
    """The part of the exact top-k that ``index`` returns, averaged over the users.

    Args:
      index: the index in question.
      exact: an exact index of the same items.
      interests: [B, K, D] float32, real users' interests.
      interest_mask: [B, K] bool.
      k: length of the lists; of a smaller catalogue, its size.

    Returns:
      a number from 0 to 1; 1 when there is nothing to find.
    """
    return list_recall(
        index.search(interests, interest_mask, k).indices.numpy(),
        exact.search(interests, interest_mask, k).indices.numpy(),
    )


def list_recall(found: npt.NDArray[np.integer[Any]], expected: npt.NDArray[np.integer[Any]]) -> float:
    """The part of ``expected`` [B, k] that stands in ``found`` [B, k], averaged over the rows; -1 is padding."""
    recalls = list_recalls(found, expected)
    return float(recalls.mean()) if len(recalls) else 1.0


def list_recalls(
    found: npt.NDArray[np.integer[Any]], expected: npt.NDArray[np.integer[Any]]
) -> npt.NDArray[np.float64]:
    """The same of each row in which something is expected."""
    wanted = [row[row >= 0] for row in expected]
    pairs = zip(wanted, found, strict=True)
    return np.array([np.isin(row, found_row).mean() for row, found_row in pairs if len(row)])


def surely_reached(recalls: npt.NDArray[np.float64], target: float) -> bool:
    """Whether the mean of the users' recalls [U] is at least the target, with one standard error to spare.

    The cheapest setting that just reaches it on some users would miss it on half of all others.
    """
    return bool(not len(recalls) or recalls.mean() - recalls.std() / np.sqrt(len(recalls)) >= target)
