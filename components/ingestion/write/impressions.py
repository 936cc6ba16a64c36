"""Cuts impressions into examples: an item that was shown, the history before it, and its labels."""

from collections import Counter
from dataclasses import dataclass, fields

import numpy as np

from components.ingestion.cut.hashing import SPLITS, mix, split_of
from components.ingestion.cut.sampling import Sampler
from components.ingestion.cut.sequences import Sequences
from components.ingestion.cut.windows import Ints
from components.ingestion.values.labels import Flags
from components.ingestion.write.examples import ranges
from components.settings import DataSettings
from trainer.data.schema import TEST_SPLIT, TRAIN_SPLIT, VALID_SPLIT

_SHUFFLE_SALT = 2**43


@dataclass
class Impressions:
    """Examples as positions, each field [I].

    Attributes:
      user: the place of the user.
      event: position of the log's row in the concatenated sequences.
      item: place of the item in ``Sequences.item_ids``, and behind them in the items that samples are drawn from.
      sample: 0 for the row's own item; n for the n-th item drawn beside it, of which every label is 0.
      start: first item of the history, a place in ``History.events``.
      stop: end of the history.
      target: first target, a place in ``History.events``.
      end: end of the targets.
    """

    user: Ints
    event: Ints
    item: Ints
    sample: Ints
    start: Ints
    stop: Ints
    target: Ints
    end: Ints

    def __len__(self) -> int:
        return len(self.user)

    def take(self, rows: Ints | slice) -> "Impressions":
        """Some of the impressions, in the order of ``rows``."""
        return Impressions(*(getattr(self, field.name)[rows] for field in fields(self)))


class History:
    """The events with the first label positive, of all users end to end: what histories and targets are made of.

    Args:
      sequences: of U users with N events.
      positive: [N], the first label.
      max_history: T.
    """

    def __init__(self, sequences: Sequences, positive: Flags, max_history: int):
        self.events: Ints = np.flatnonzero(positive)
        """int64 [H], their positions in the sequences."""
        self._before = np.concatenate([[0], np.cumsum(positive)])
        self._sequences = sequences
        self._max_history = max_history
        # The first event of each (user, time): what comes before it is strictly earlier.
        position = np.arange(len(positive))
        self._moment = np.maximum.accumulate(np.where(sequences.starts_moment(), position, 0))

    def before(self, user: Ints, event: Ints) -> tuple[Ints, Ints]:
        """Start and stop [n], in ``events``, of the last T strictly before the time of ``event`` [n]."""
        stop = self._before[self._moment[event]]
        first = self._before[self._sequences.offsets[:-1][user]]
        return np.maximum(first, stop - self._max_history), stop

    def between(self, event: Ints, end: Ints) -> tuple[Ints, Ints]:
        """Start and stop [n], in ``events``, of the positions from ``event`` up to ``end``, [n] each."""
        return self._before[event], self._before[end]


def cut_impressions(
    sequences: Sequences, history: History, settings: DataSettings
) -> tuple[dict[str, Impressions], Counter[str]]:
    """Makes an example of every row of the log that a split holds.

    user_hash: every row of a training user; of an evaluated user, the rows after the first ``history_fraction``.
    leave_last_out: the last row of a user is for the test, the one before for validation, the others for training.
    The history holds the events with the first label before the row's time; the rows that are held out have one
    history, that before the first of them. The first of them has the items of all with the first label as targets.

    Args:
      sequences: of U users with N events, oldest first.
      history: of the same sequences.
      settings: the split, and ``min_history``: rows with fewer items before them are left out.

    Returns:
      Split -> impressions in the order of users and time, and how many users and rows were left out.
    """
    start, end = sequences.offsets[:-1], sequences.offsets[1:]
    length = end - start
    counts: Counter[str] = Counter()
    parts: dict[str, tuple[Ints, Ints, Ints]] = {}  # split -> users, first row, end of the rows
    if settings.split.method == "user_hash":
        drawn = split_of(sequences.hashes, settings.split)
        # The tiny term undoes floating point, as in windows.held_out_part.
        given = np.floor(length * settings.split.history_fraction + 1e-9).astype(np.int64)
        held_out = start + np.clip(given, 1, length - 1)
        for number, split in enumerate(SPLITS):
            users = np.flatnonzero(drawn == number)
            parts[split] = users, (start if split == TRAIN_SPLIT else held_out)[users], end[users]
    else:
        users = np.flatnonzero(length >= 3)
        last = end[users]
        parts[TRAIN_SPLIT] = users, start[users], last - 2
        parts[VALID_SPLIT] = users, last - 2, last - 1
        parts[TEST_SPLIT] = users, last - 1, last
        counts["users_too_short"] = len(length) - len(users)
    impressions = {}
    for split, (users, first, stop) in parts.items():
        rows = stop - first
        user, begins = np.repeat(users, rows), np.cumsum(rows) - rows
        event = np.arange(rows.sum()) + np.repeat(first - begins, rows)
        left = right = np.zeros(len(event), dtype=np.int64)
        if split == TRAIN_SPLIT:
            before = history.before(user, event)
        else:
            before = history.before(user, np.repeat(first, rows))
            left, right = left.copy(), right.copy()
            left[begins], right[begins] = history.between(first, stop)
        made = Impressions(
            user, event, sequences.items[event].astype(np.int64), np.zeros_like(event), *before, left, right
        )
        kept = made.take(np.flatnonzero(made.stop - made.start >= settings.min_history))
        counts["impressions_too_early"] += len(made) - len(kept)
        impressions[split] = kept
    counts["impressions"] = sum(len(part) for part in impressions.values())
    return impressions, counts


def with_samples(
    impressions: Impressions, sampler: Sampler, each: int, first_item: int
) -> tuple[Impressions, Counter[str]]:
    """Adds ``each`` drawn items behind every impression of users for whom there is something to draw.

    Args:
      impressions: [I], none of them sampled.
      sampler: of the same users.
      each: how many.
      first_item: what ``Impressions.item`` is for the sampler's first item.

    Returns:
      The impressions in the same order, each with its samples; and how many were drawn, or could not be.
    """
    possible = sampler.free[impressions.user] > 0
    copies = np.where(possible, 1 + each, 1)
    everything = impressions.take(np.repeat(np.arange(len(impressions)), copies))
    everything.sample = np.arange(copies.sum()) - np.repeat(np.cumsum(copies) - copies, copies)
    drawn = np.flatnonzero(everything.sample)
    everything.item[drawn] = first_item + sampler.draw(
        everything.user[drawn], everything.event[drawn], everything.sample[drawn]
    )
    # Only the row itself carries its user's targets.
    everything.end[drawn] = everything.target[drawn]
    missing = each * int(np.sum(~possible))
    return everything, Counter(sampled_impressions=len(drawn), sampled_impressions_missing=missing)


def together(impressions: Impressions, most: int) -> Ints:
    """Bounds [E + 1] of the runs of impressions that were made in one state of a user's history.

    Until a user does something, every impression has the same history: written once, it is read, looked up and encoded
    once for all of them.

    Args:
      impressions: [I], those of a user one after the other.
      most: impressions in a run.
    """
    new = np.ones(len(impressions), dtype=bool)
    states = np.stack([impressions.user, impressions.start, impressions.stop])
    new[1:] = (states[:, 1:] != states[:, :-1]).any(axis=0)
    begin = np.maximum.accumulate(np.where(new, np.arange(len(new)), 0))
    cut = new | ((np.arange(len(new)) - begin) % most == 0)
    return np.append(np.flatnonzero(cut), len(impressions))


def shuffled_runs(impressions: Impressions, bounds: Ints, sequences: Sequences) -> tuple[Impressions, Ints]:
    """The runs in a fixed order that separates those of one user, and their new bounds."""
    first = impressions.take(bounds[:-1])
    event = first.event - sequences.offsets[first.user]
    keys = mix(sequences.hashes[first.user] + event.astype(np.uint64), _SHUFFLE_SALT)
    order = np.argsort(mix(keys + first.sample.astype(np.uint64), _SHUFFLE_SALT), kind="stable")
    rows, new_bounds = ranges(bounds[:-1][order], bounds[1:][order])
    return impressions.take(rows), new_bounds
