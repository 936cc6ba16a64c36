"""Exact search with operations of core TensorFlow."""

import numpy as np
import tensorflow as tf

from serving.index.base import Index, as_variable, gather_rows
from trainer.retrieval import Keep, TopK, exact_top_k


class ExactIndex(Index):
    """Scores every item, a chunk at a time.

    Args:
      item_vectors: [N, D] float32. A variable is shared, not copied.
      chunk: items scored at a time, at most.
    """

    def __init__(self, item_vectors: np.ndarray | tf.Tensor | tf.Variable, chunk: int = 65_536) -> None:
        super().__init__()
        self.item_vectors = as_variable(item_vectors)
        self.chunk = chunk

    def search(
        self,
        interests: tf.Tensor,
        interest_mask: tf.Tensor,
        k: int | tf.Tensor,
        excluded: tf.Tensor | None = None,
        keep: Keep | None = None,
    ) -> TopK:
        """See :meth:`serving.index.base.Index.search`."""
        return exact_top_k(interests, interest_mask, self.item_vectors, k, self.chunk, excluded, keep)

    def vectors(self, indices: tf.Tensor) -> tf.Tensor:
        """See :meth:`serving.index.base.Index.vectors`."""
        return gather_rows(self.item_vectors, indices)
