"""Exact search with operations of core TensorFlow."""

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from serving.index.base import Index, as_variable, gather_rows
from trainer.ranking.top_k import Keep, TopK, exact_top_k


class ExactIndex(Index):
    """Scores every item, a chunk at a time: exact, however the scores of the interests are merged.

    Args:
      item_vectors: [N, D] float32. A variable is shared, not copied.
      chunk: items scored at a time, at most.
      temperature: of :func:`trainer.ranking.top_k.merged_scores`; None for the maximum over interests.
    """

    def __init__(
        self,
        item_vectors: npt.NDArray[np.float32] | tf.Tensor | tf.Variable,
        chunk: int = 65_536,
        temperature: float | None = None,
    ) -> None:
        super().__init__()
        self.item_vectors = as_variable(item_vectors)
        self.chunk, self._temperature = chunk, temperature

    def search(
        self,
        interests: tf.Tensor,
        interest_mask: tf.Tensor,
        k: int | tf.Tensor,
        excluded: tf.Tensor | None = None,
        keep: Keep | None = None,
    ) -> TopK:
        """See :meth:`serving.index.base.Index.search`."""
        return exact_top_k(
            interests, interest_mask, self.item_vectors, k, self.chunk, excluded, keep, self._temperature
        )

    def vectors(self, indices: tf.Tensor) -> tf.Tensor:
        """See :meth:`serving.index.base.Index.vectors`."""
        return gather_rows(self.item_vectors, indices)
