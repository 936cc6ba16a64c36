"""How much of the exact answer an approximate index finds."""

import numpy as np
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


def list_recall(found: np.ndarray, expected: np.ndarray) -> float:
    """The part of ``expected`` [B, k] that stands in ``found`` [B, k], averaged over the rows; -1 is padding."""
    recalls = []
    for found_row, expected_row in zip(found, expected, strict=True):
        wanted = expected_row[expected_row >= 0]
        if len(wanted):
            recalls.append(np.isin(wanted, found_row).mean())
    return float(np.mean(recalls)) if recalls else 1.0
