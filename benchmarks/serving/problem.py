"""Items, users and the right answers, on disk. Needs NumPy only: the peers' environments have no TensorFlow."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

TOP, DIMENSION, INTERESTS = 100, 64, 4
_USERS_AT_ONCE = 16


@dataclass(frozen=True)
class Problem:
    """A catalogue, users, and whom they should get.

    Attributes:
      items: float32 [N, D].
      interests: float32 [U, K, D]; sizes are found on the first half of the users, and measured on the second.
      best: int64 [U, 100], the items with the largest inner product with any of a user's interests.
    """

    items: np.ndarray
    interests: np.ndarray
    best: np.ndarray

    @classmethod
    def of(cls, items: np.ndarray, interests: np.ndarray) -> "Problem":
        """With the right answers by NumPy."""
        best = []
        for start in range(0, len(interests), _USERS_AT_ONCE):
            some = interests[start : start + _USERS_AT_ONCE]
            scores = (some.reshape(-1, some.shape[-1]) @ items.T).reshape(*some.shape[:2], -1).max(axis=1)
            best.append(np.argpartition(-scores, TOP, axis=1)[:, :TOP])
        return cls(items, interests, np.concatenate(best))

    @classmethod
    def load(cls, file: Path) -> "Problem":
        """Reads what :meth:`save` wrote."""
        with np.load(file) as arrays:
            return cls(arrays["items"], arrays["interests"], arrays["best"])

    def save(self, file: Path) -> None:
        """Writes the file whole or not at all."""
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_suffix(".part.npz")
        np.savez(temporary, items=self.items, interests=self.interests, best=self.best)
        temporary.rename(file)

    @staticmethod
    def users(file: Path) -> np.ndarray:
        """The interests alone."""
        with np.load(file) as arrays:
            return arrays["interests"]

    def half(self, number: int) -> "Problem":
        """The same items for the first (0) or the second (1) half of the users."""
        part = slice(0, len(self.interests) // 2) if number == 0 else slice(len(self.interests) // 2, None)
        return Problem(self.items, self.interests[part], self.best[part])
