"""Sizes of a ScaNN index, from the settings and the catalogue's size."""

import math
from dataclasses import dataclass

from serving.settings import IndexSettings

SMALL_CATALOGUE = 5_000
"""Below so many items every vector is scored: leaves would save nothing and cost recall."""

_FEW = 64
"""Below so many items there are no leaves, whatever the settings say: ScaNN crashes when it trains on two."""

_SEARCHED_FRACTION = 0.05
_LEAST_LEAVES_SEARCHED = 60
_REORDER = 300
_LEAVES_FACTOR = 3


@dataclass(frozen=True)
class ScannSizes:
    """The numbers behind an index.

    Attributes:
      num_leaves: parts of the catalogue; 0 for a small one, of which every vector is scored.
      leaves_to_search: parts searched for one interest, at least.
      reorder: candidates scored with eight bits a coordinate instead of two, at least.
    """

    num_leaves: int
    leaves_to_search: int
    reorder: int


def scann_sizes(num_items: int, settings: IndexSettings) -> ScannSizes:
    """Completes the settings from the size of the catalogue.

    Unset, the number of leaves is three times the root of the number of items, 5 % of them and at least 60 are
    searched, and 300 candidates are scored again. Numbers that are set are kept, as far as the
    catalogue allows; setting ``num_leaves`` forces leaves on a small catalogue too, though not on fewer than 64 items.
    """
    reorder = min(settings.reorder or _REORDER, num_items)
    if num_items < (SMALL_CATALOGUE if settings.num_leaves is None else _FEW):
        return ScannSizes(0, 0, reorder)
    num_leaves = min(settings.num_leaves or round(_LEAVES_FACTOR * math.sqrt(num_items)), num_items)
    searched = settings.leaves_to_search or max(math.ceil(_SEARCHED_FRACTION * num_leaves), _LEAST_LEAVES_SEARCHED)
    return ScannSizes(num_leaves, min(searched, num_leaves), reorder)
