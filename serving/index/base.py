"""The interface of every index."""

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from trainer.ranking.top_k import Keep, TopK


class Index(tf.Module, ABC):
    """Finds the items with a user's largest scores, those of :func:`trainer.ranking.top_k.merged_scores`.

    A tf.Module: it is saved inside the served model, and ``search`` runs in its graph.
    """

    @abstractmethod
    def search(
        self,
        interests: tf.Tensor,
        interest_mask: tf.Tensor,
        k: int | tf.Tensor,
        excluded: tf.Tensor | None = None,
        keep: Keep | None = None,
    ) -> TopK:
        """Returns the k best items of each user.

        Args:
          interests: [B, K, D] float32.
          interest_mask: [B, K] bool; a masked interest finds nothing.
          k: number of items, at least 1; may be a scalar tensor, and larger than the catalogue.
          excluded: [B, E] int32 or int64, indices of items that must not be returned; -1 is padding.
            They do not shorten the list: what they leave free is filled with the next best.
          keep: which items each user may get, a function of the graph from rows of items, int32 [B, M], to
            bool [B, M]. The list holds the best of those, and is full where there are enough of them.

        Returns:
          indices, scores and for each item the interest that adds most to its score, [B, k]; places that stay empty
          have the index -1.
        """

    @abstractmethod
    def vectors(self, indices: tf.Tensor) -> tf.Tensor:
        """Vectors of items: int [...] in 0 .. N - 1 to float32 [..., D]."""


def as_variable(item_vectors: npt.NDArray[np.float32] | tf.Tensor | tf.Variable) -> tf.Variable:
    """Vectors that an index keeps; a variable is shared, not copied."""
    if isinstance(item_vectors, tf.Variable):
        return item_vectors
    return tf.Variable(item_vectors, trainable=False, dtype=tf.float32)


def gather_rows(table: tf.Variable, indices: tf.Tensor) -> tf.Tensor:
    """Rows of a variable that is also read as a whole: [N, D] and int [...] to [..., D].

    ``tf.gather`` of a variable (ResourceGather) puts it into a mode in which every later read of the whole copies it:
    a million vectors a request. Gathering from what was read does not.
    """
    return tf.gather(tf.convert_to_tensor(table), indices)
