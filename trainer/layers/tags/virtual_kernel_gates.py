"""MVKE's gates of a tag over virtual kernels."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from trainer.keras_api import keras, register


@register
class VirtualKernelGates(keras.layers.Layer):
    """Weights of the kernels for each tag and task (MVKE's VKG): ``w_k = softmax_k(<t_y, VK_k>)``.

    The softmax of a task runs over the task's kernels. They are those of :class:`VirtualKernelExperts`; there are no
    weights here. Computed in float32.

    With ``scaled``, as in the paper's text, ``w_k = softmax_k(<t_y, VK_k> / sqrt(d))``; the authors' code does not
    divide.

    Reference: Xu et al., "Mixture of Virtual-Kernel Experts for Multi-Objective User Profile Modeling", KDD 2022,
    section 3.3.

    Args:
      task_kernels: the kernels of each task, numbers from 0 on.
      num_kernels: K.
      scaled: divide by the square root of d.

    Raises:
      ValueError: a task has no kernel, or one that there is not.
    """

    def __init__(
        self, task_kernels: Sequence[Sequence[int]], num_kernels: int, scaled: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.task_kernels, self.num_kernels = [list(kernels) for kernels in task_kernels], num_kernels
        self.scaled = scaled
        for kernels in self.task_kernels:
            if not kernels or not set(kernels) <= set(range(num_kernels)):
                raise ValueError(
                    f"task_kernels should hold numbers from 0 to {num_kernels - 1} for each task. Received: {kernels}."
                )

    def call(self, tags: tf.Tensor, kernels: tf.Tensor) -> tf.Tensor:
        """The weights.

        Args:
          tags: float [M, Y, d], vectors of tags for each task.
          kernels: float [K, d].

        Returns:
          float32 [M, Y, K], 0 for the kernels of other tasks.
        """
        own = tf.constant([[k in chosen for k in range(self.num_kernels)] for chosen in self.task_kernels])
        logits = tf.einsum("myd,kd->myk", tags, tf.cast(kernels, tf.float32))
        if self.scaled:
            logits *= int(kernels.shape[-1]) ** -0.5
        return tf.nn.softmax(tf.where(own, logits, logits.dtype.min), axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "task_kernels": [list(kernels) for kernels in self.task_kernels],
            "num_kernels": self.num_kernels,
            "scaled": self.scaled,
        }
