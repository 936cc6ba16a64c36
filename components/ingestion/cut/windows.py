"""Cuts user sequences into examples: a history, and the items to predict from it."""

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from components.ingestion.cut.hashing import SPLITS, Hashes, mix, split_of
from components.settings import DataSettings
from trainer.data.schema import TEST_SPLIT, TRAIN_SPLIT, VALID_SPLIT

_SHUFFLE_SALT = 2**41

Ints = npt.NDArray[np.int64]


@dataclass
class Windows:
    """Examples as ranges of positions in the concatenated sequences, each field int64 [W].

    Attributes:
      user: the place of the user.
      start: first event of the history.
      stop: end of the history.
      target: first target.
      end: end of the targets.
      overlap: how many leading events of the history an earlier window holds.
    """

    user: Ints
    start: Ints
    stop: Ints
    target: Ints
    end: Ints
    overlap: Ints

    def __len__(self) -> int:
        return len(self.user)

    def take(self, rows: Ints | slice) -> "Windows":
        """Some of the windows, in the order of ``rows``."""
        return Windows(*(getattr(self, field.name)[rows] for field in fields(self)))


def training_windows(user: Ints, start: Ints, end: Ints, max_history: int, min_history: int, overlap: float) -> Windows:
    """Cuts whole sequences into training windows.

    Every event after a sequence's first ``min_history`` is the target of exactly one window. The first
    window starts at the beginning; a later one repeats so many events that its first target has at least
    ``max(min_history, overlap * max_history)`` of them before it; the last one reaches back as far as
    ``max_history`` allows.

    Args:
      user: [U], the place of each user.
      start: [U], position of the first event.
      end: [U], end of the sequence. A sequence of at most ``min_history`` events has no window.
      max_history: largest number of events in a history, T >= ``min_history``.
      min_history: at least 1.
      overlap: part of a window in [0, 1).

    Returns:
      The windows, user by user, oldest first.
    """
    length = end - start
    repeated = min(max_history, max(min_history, round(overlap * max_history)))
    step = max_history + 1 - repeated  # targets of each later window
    later = np.maximum(0, -(-(length - (max_history + 1)) // step))
    count = np.where(length > min_history, 1 + later, 0)
    owner = np.repeat(np.arange(len(user)), count)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    first = place == 0
    stop_target = np.minimum(max_history + 1 + place * step, length[owner])
    first_target = np.where(first, min_history, max_history + 1 + (place - 1) * step)
    history = np.maximum(0, stop_target - 1 - max_history)
    base = start[owner]
    return Windows(
        user=user[owner],
        start=base + history,
        stop=base + stop_target - 1,
        target=base + first_target,
        end=base + stop_target,
        overlap=np.where(first, 0, first_target - history),
    )


def held_out_part(user: Ints, start: Ints, end: Ints, fraction: float) -> Windows:
    """One example a user: history = the first floor(fraction * n) events, at least 1; targets = all the rest.

    Args:
      user: [U].
      start: [U].
      end: [U]; sequences have at least 2 events.
      fraction: in (0, 1).
    """
    length = end - start
    # The tiny term undoes floating point: 0.29 * 100 is 28.999999999999996.
    given = np.clip(np.floor(length * fraction + 1e-9).astype(np.int64), 1, length - 1)
    return Windows(user, start, start + given, start + given, end, np.zeros_like(user))


def held_out_event(user: Ints, start: Ints, end: Ints, from_end: int) -> Windows:
    """One example a user: the target is the event ``from_end`` places from the end, the history all before it."""
    target = end - from_end
    return Windows(user, start, target, target, target + 1, np.zeros_like(user))


def cut(offsets: Ints, hashes: Hashes, settings: DataSettings, max_history: int) -> tuple[dict[str, Windows], int]:
    """Cuts the sequences of all users by the settings' split.

    Args:
      offsets: [U + 1].
      hashes: [U].

    Returns:
      Split -> windows, and the number of users that are in none for being too short.
    """
    user = np.arange(len(hashes))
    start, end = offsets[:-1], offsets[1:]
    split = settings.split
    windows = {}
    if split.method == "user_hash":
        drawn = split_of(hashes, split)
        for number, name in enumerate(SPLITS):
            chosen = np.flatnonzero(drawn == number)
            part = (user[chosen], start[chosen], end[chosen])
            if name == TRAIN_SPLIT:
                short = int(np.sum(part[2] - part[1] <= settings.min_history))
                windows[name] = training_windows(*part, max_history, settings.min_history, settings.window_overlap)
            else:
                windows[name] = held_out_part(*part, split.history_fraction)
    else:
        chosen = np.flatnonzero(end - start >= 3)
        short = len(user) - len(chosen)
        part = (user[chosen], start[chosen], end[chosen])
        windows[TRAIN_SPLIT] = training_windows(
            part[0], part[1], part[2] - 2, max_history, settings.min_history, settings.window_overlap
        )
        windows[VALID_SPLIT] = held_out_event(*part, 2)
        windows[TEST_SPLIT] = held_out_event(*part, 1)
    windows[TRAIN_SPLIT] = shuffled(windows[TRAIN_SPLIT], hashes)
    return windows, short


def shuffled(windows: Windows, hashes: Hashes) -> Windows:
    """The windows in a fixed order that separates those of one user, which a reader's small buffer would not."""
    keys = mix(hashes[windows.user] + windows.end.astype(np.uint64), _SHUFFLE_SALT)
    return windows.take(np.argsort(keys, kind="stable"))
