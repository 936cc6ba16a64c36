"""Nearest items and categories of SINE's prototypes and Octopus's channels."""

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import normalized_mutual_info_score

_CHUNK = 65_536


def nearest_items(
    prototypes: npt.NDArray[np.floating[Any]], item_vectors: npt.NDArray[np.floating[Any]], n: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.floating[Any]]]:
    """The items that point most nearly the way of each prototype.

    Args:
      prototypes: float [L, D].
      item_vectors: float [N, D].
      n: items wanted of each; at most N are given.

    Returns:
      indices int64 [L, n] and cosines [L, n], the nearest first, equally near items by index.

    Raises:
      ValueError: n is not positive.
    """
    if n < 1:
        raise ValueError(f"n should be positive. Received: {n}.")
    n = min(n, len(item_vectors))
    directions = _unit(prototypes)
    indices = np.zeros((len(prototypes), 0), np.int64)
    cosines = np.zeros((len(prototypes), 0), directions.dtype)
    for start in range(0, len(item_vectors), _CHUNK):
        part = directions @ _unit(item_vectors[start : start + _CHUNK]).T
        numbers = np.broadcast_to(np.arange(start, start + part.shape[1]), part.shape)
        cosines, indices = np.hstack([cosines, part]), np.hstack([indices, numbers])
        best = np.argsort(-cosines, axis=1, kind="stable")[:, :n]
        cosines, indices = np.take_along_axis(cosines, best, axis=1), np.take_along_axis(indices, best, axis=1)
    return indices, cosines


def nearest_prototypes(
    item_vectors: npt.NDArray[np.floating[Any]], prototypes: npt.NDArray[np.floating[Any]]
) -> npt.NDArray[np.int64]:
    """The prototype that each item points most nearly the way of.

    Args:
      item_vectors: float [N, D].
      prototypes: float [L, D].

    Returns:
      int64 [N], in 0 .. L - 1.
    """
    directions = _unit(prototypes).T
    starts = range(0, len(item_vectors), _CHUNK)
    parts = [np.argmax(_unit(item_vectors[start : start + _CHUNK]) @ directions, axis=1) for start in starts]
    return np.concatenate([np.zeros(0, np.int64), *parts])


def mean_cosine(prototypes: npt.NDArray[np.floating[Any]]) -> float:
    """How alike the prototypes are: the mean cosine of their pairs, 1 where they are one direction, NaN if alone.

    Args:
      prototypes: float [L, D].
    """
    count = len(prototypes)
    if count < 2:
        return float("nan")
    together = np.square(_unit(prototypes).sum(axis=0)).sum()
    return float((together - count) / (count * (count - 1)))


def prototype_category_nmi(
    item_vectors: npt.NDArray[np.floating[Any]],
    prototypes: npt.NDArray[np.floating[Any]],
    categories: npt.NDArray[np.integer[Any]],
) -> float:
    """How much the nearest prototype of an item and its category tell of each other.

    Normalised mutual information, ``I(P; C) / ((H(P) + H(C)) / 2)``: 0 for independence, 1 where each can be told
    from the other. With many prototypes and few items chance alone is well above 0: compare with categories shuffled.

    Reference: the analysis of Tan et al., "Sparse-Interest Network for Sequential Recommendation", WSDM 2021.

    Args:
      item_vectors: float [N, D].
      prototypes: float [L, D].
      categories: int [N], number of each item's category; items without one (negative) are left out.

    Raises:
      ValueError: no item has a category, or there is not one category for each item.
    """
    if len(categories) != len(item_vectors):
        raise ValueError(f"There should be {len(item_vectors)} categories. Received: {len(categories)}.")
    known = categories >= 0
    if not known.any():
        raise ValueError("There should be items with a category. Received: none.")
    nearest = nearest_prototypes(item_vectors[known], prototypes)
    return float(normalized_mutual_info_score(categories[known], nearest))


def category_counts(
    item_vectors: npt.NDArray[np.floating[Any]],
    prototypes: npt.NDArray[np.floating[Any]],
    categories: npt.NDArray[np.integer[Any]],
) -> npt.NDArray[np.int64]:
    """Which categories the items nearest to each prototype have.

    Args:
      item_vectors: float [N, D].
      prototypes: float [L, D].
      categories: int [N]; items without one (negative) are left out.

    Returns:
      int64 [L, C], number of items of prototype l and category c; C is 1 + the largest category.
    """
    known = categories >= 0
    counts = np.zeros((len(prototypes), int(categories.max(initial=-1)) + 1), np.int64)
    np.add.at(counts, (nearest_prototypes(item_vectors[known], prototypes), categories[known]), 1)
    return counts


def _unit(vectors: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.floating[Any]]:
    unit: npt.NDArray[np.floating[Any]] = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return unit
