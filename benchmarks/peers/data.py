"""What all models train on and are judged by, as plain arrays in one .npz file.

Items are numbered from 1 on by descending number of training users, 0 is padding. Only NumPy is needed to read it: the
peers' environments have neither the trainer nor its TensorFlow.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

UNKNOWN, PADDING = -2, -1

Example = tuple[bytes, list[bytes], list[bytes]]
"""User, history and targets."""


@dataclass(frozen=True)
class Data:
    """Windows and held-out users.

    Attributes:
      counts: int64 [N], training users of each item, descending.
      history: int32 [W, T], training windows, oldest first, padded behind.
      targets: int32 [W, T], the item that followed each position of a window; 0 where none is to be predicted.
      valid_history: int32 [U, T], the last T known items of each validation user, padded behind.
      valid_targets: int32 [U, M], item index from 0 on, -2 for an item unknown to training, -1 for padding.
      test_history: as ``valid_history``.
      test_targets: as ``valid_targets``.
    """

    counts: np.ndarray
    history: np.ndarray
    targets: np.ndarray
    valid_history: np.ndarray
    valid_targets: np.ndarray
    test_history: np.ndarray
    test_targets: np.ndarray

    @property
    def num_items(self) -> int:
        """N."""
        return len(self.counts)

    def save(self, path: Path) -> None:
        """Writes the arrays."""
        np.savez(path, **asdict(self))

    @classmethod
    def load(cls, path: Path) -> "Data":
        """Reads what :meth:`save` wrote."""
        with np.load(path, allow_pickle=False) as file:
            return cls(**{name: file[name] for name in file.files})


def from_examples(train: Sequence[Example], valid: Sequence[Example], test: Sequence[Example]) -> Data:
    """Examples of ingestion to arrays. T is the longest history of a training window.

    A window's targets are aligned from the right: the last one followed the last item of the history.

    Raises:
      ValueError: there are no training windows.
    """
    if not train:
        raise ValueError("The training split holds no windows: nothing to compare models on.")
    seen: dict[bytes, dict[bytes, None]] = {}
    for user, history, targets in train:
        seen.setdefault(user, {}).update(dict.fromkeys([*history, *targets]))
    counts: dict[bytes, int] = {}
    for items in seen.values():
        for item in items:
            counts[item] = counts.get(item, 0) + 1
    ordered = sorted(counts, key=lambda item: -counts[item])
    index = {item: place + 1 for place, item in enumerate(ordered)}
    length = max(len(history) for _, history, _ in train)
    aligned = [
        [0] * (len(history) - len(targets)) + [index[item] for item in targets][-len(history) :]
        for _, history, targets in train
    ]
    held_out = []
    for split in (valid, test):
        held_out += [
            _padded([[index[i] for i in history if i in index][-length:] for _, history, _ in split], length, 0),
            _padded([_places(targets, index) for _, _, targets in split], None, PADDING),
        ]
    return Data(
        np.array([counts[item] for item in ordered], np.int64),
        _padded([[index[item] for item in history] for _, history, _ in train], length, 0),
        _padded(aligned, length, 0),
        *held_out,
    )


def _places(targets: list[bytes], index: dict[bytes, int]) -> list[int]:
    """Items' places, and a number from ``UNKNOWN`` downwards for each that training does not know."""
    unknown = {item: UNKNOWN - number for number, item in enumerate(targets)}
    return [index[item] - 1 if item in index else unknown[item] for item in targets]


def synthetic(num_items: int, length: int, windows: int = 4096, seed: int = 1) -> Data:
    """Full windows of log-uniform items with a target at every position: for speed, nothing to learn. No users."""
    random = np.random.default_rng(seed)
    drawn = np.exp(random.uniform(0, np.log(num_items), size=(windows, length + 1))).astype(np.int32)
    nobody = (np.zeros((0, length), np.int32), np.zeros((0, 1), np.int32))
    return Data(np.arange(num_items, 0, -1), drawn[:, :-1], drawn[:, 1:], *nobody, *nobody)


def rows(data: Data) -> tuple[np.ndarray, np.ndarray]:
    """Where the targets are: window [M] and position [M] of each."""
    windows, positions = np.nonzero(data.targets)
    return windows, positions


def row_batches(data: Data, batch_size: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Endless shuffled batches of one prefix a row, all of one size.

    Yields:
      history int32 [B, T] cut behind the target's position, its length int32 [B], target int32 [B].
    """
    windows, positions = rows(data)
    place = np.arange(data.history.shape[1])[np.newaxis]
    for chosen in _batches(len(windows), batch_size, seed):
        window, position = windows[chosen], positions[chosen]
        history = np.where(place <= position[:, np.newaxis], data.history[window], 0)
        yield history, (position + 1).astype(np.int32), data.targets[window, position]


def window_batches(data: Data, batch_size: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Endless shuffled batches of whole windows, all of one size: history and targets, int32 [B, T]."""
    for chosen in _batches(len(data.history), batch_size, seed):
        yield data.history[chosen], data.targets[chosen]


def _batches(size: int, batch_size: int, seed: int) -> Iterator[np.ndarray]:
    random = np.random.default_rng(seed)
    left = np.zeros(0, np.int64)
    while True:
        while len(left) < batch_size:
            left = np.concatenate([left, random.permutation(size)])
        yield left[:batch_size]
        left = left[batch_size:]


def _padded(lists: Sequence[Sequence[int]], width: int | None, value: int) -> np.ndarray:
    width = max((len(row) for row in lists), default=1) if width is None else width
    matrix = np.full((len(lists), width), value, np.int32)
    for place, row in enumerate(lists):
        matrix[place, : len(row)] = row
    return matrix
