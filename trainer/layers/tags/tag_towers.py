"""Tag towers, one per task."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from trainer.keras_api import keras, register
from trainer.layers.tags.parallel_mlp import ParallelMLP


@register
class TagTowers(keras.layers.Layer):
    """An embedding a tag, shared by the tasks, and a network of each task's own behind it.

    ``t_y = MLP_y(e)``. Rows are gathered, so that an update touches only the tags of a batch.

    Args:
      num_tags: number of tags.
      dimension: d, of the embeddings and of the vectors.
      num_tasks: Y.
      hidden: widths of the ReLU layers before the last, linear one.

    Raises:
      ValueError: a size is not positive.
    """

    def __init__(self, num_tags: int, dimension: int, num_tasks: int, hidden: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if min(num_tags, dimension) < 1:
            raise ValueError(f"num_tags and dimension should be positive. Received: {num_tags}, {dimension}.")
        self.num_tags, self.dimension, self.num_tasks, self.hidden = num_tags, dimension, num_tasks, list(hidden)
        self.towers = ParallelMLP(num_tasks, [*self.hidden, dimension], name="towers")

    def build(self, input_shape: Any) -> None:
        self.embeddings = self.add_weight(
            "embeddings", shape=(self.num_tags, self.dimension), initializer="glorot_uniform"
        )
        super().build(input_shape)

    def call(self, numbers: tf.Tensor) -> tf.Tensor:
        """Vectors: int [...] in 0 .. num_tags - 1 to float [..., Y, d]."""
        shape = tf.concat([tf.shape(numbers), [self.num_tasks, self.dimension]], axis=0)
        return tf.reshape(self.towers(tf.gather(self.embeddings, tf.reshape(numbers, [-1]))), shape)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_tags": self.num_tags,
            "dimension": self.dimension,
            "num_tasks": self.num_tasks,
            "hidden": list(self.hidden),
        }
