"""Samples impressions by item frequency, without the user's own items."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.ingestion.cut.hashing import mix
from components.ingestion.cut.sequences import Sequences
from components.ingestion.cut.windows import Ints

_DRAW_SALT = 2**42


@dataclass
class Frequencies:
    """The kept items of the whole log.

    Attributes:
      ids: strings [M], ascending, so that no worker's order of reading can change a draw.
      counts: int64 [M], at least 1.
    """

    ids: pa.Array
    counts: Ints


class Sampler:
    """Draws from the items that a user has no event with, each with a probability in proportion to its frequency.

    The draw is exact and takes no second try: the number r of a draw is uniform in 0 up to F - O, F the frequency of
    all items and O that of the user's own. Laying the items end to end, the r-th place that is not the user's own is
    r plus the frequencies of the own items before it, which one binary search finds for all draws.

    Args:
      frequencies: of the kept items.
      sequences: of U users, with kept items only.
      seed: of the draws.
    """

    def __init__(self, frequencies: Frequencies, sequences: Sequences, seed: int):
        self._ends = np.cumsum(frequencies.counts)
        self._total = int(frequencies.counts.sum())
        self._hashes = mix(sequences.hashes, _DRAW_SALT + seed)
        self._offsets = sequences.offsets
        ids = sequences.item_ids
        place = np.asarray(pc.fill_null(pc.index_in(ids, value_set=frequencies.ids), -1)).astype(np.int64)
        everyone, size = np.arange(len(sequences.users)), max(1, len(frequencies.ids))
        owned = np.unique(np.repeat(everyone, np.diff(self._offsets)) * size + place[sequences.items])
        owner, item = owned // size, owned % size
        self._first = np.searchsorted(owner, everyone)
        own = frequencies.counts[item]
        self._before = np.concatenate([[0], np.cumsum(own)])
        # Places before an own item that are not the user's own.
        free = self._ends[item] - own - (self._before[:-1] - self._before[self._first[owner]])
        self._keys = owner * (self._total + 1) + free
        self.free = self._total - np.bincount(owner, weights=own, minlength=len(everyone)).astype(np.int64)
        """int64 [U]: frequency of all items that are not the user's own; 0 leaves nothing to draw."""

    def draw(self, user: Ints, event: Ints, number: Ints) -> Ints:
        """Places in ``frequencies.ids`` [n].

        Args:
          user: [n], users with something to draw.
          event: [n], positions of the events that the draws stand beside.
          number: [n], different for the draws beside one event.
        """
        keys = mix(self._hashes[user] + (event - self._offsets[user]).astype(np.uint64), 0)
        drawn = (mix(keys + number.astype(np.uint64), 1) % self.free[user].astype(np.uint64)).astype(np.int64)
        passed = np.searchsorted(self._keys, user * (self._total + 1) + drawn, side="right")
        found: Ints = np.searchsorted(
            self._ends, drawn + self._before[passed] - self._before[self._first[user]], side="right"
        )
        return found
