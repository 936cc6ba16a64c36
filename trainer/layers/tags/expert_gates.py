"""Gates of a task over experts."""

from typing import Any

import tensorflow as tf

from trainer.keras_api import keras, register


@register
class ExpertGates(keras.layers.Layer):
    """A mixture of experts for each task: ``z_y = sum_e g_ye h_e`` with ``g_y = softmax(G_y x)``.

    The softmax is in float32.

    Reference: Ma et al., "Modeling Task Relationships in Multi-task Learning with Multi-gate Mixture-of-Experts", KDD
    2018, equations 6 and 7.

    Args:
      num_tasks: Y.
      num_experts: E.

    Raises:
      ValueError: a size is not positive.
    """

    def __init__(self, num_tasks: int, num_experts: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if min(num_tasks, num_experts) < 1:
            raise ValueError(f"num_tasks and num_experts should be positive. Received: {num_tasks}, {num_experts}.")
        self.num_tasks, self.num_experts = num_tasks, num_experts

    def build(self, input_shape: Any) -> None:
        self.gates = keras.layers.Dense(self.num_tasks * self.num_experts, use_bias=False, name="gates")
        self.gates.build(input_shape)
        super().build(input_shape)

    def call(self, inputs: tf.Tensor, experts: tf.Tensor) -> tf.Tensor:
        """Mixes.

        Args:
          inputs: float [B, I].
          experts: float [B, E, H], what the experts say of the inputs.

        Returns:
          float [B, Y, H].
        """
        logits = tf.reshape(tf.cast(self.gates(inputs), tf.float32), [-1, self.num_tasks, self.num_experts])
        return tf.matmul(tf.cast(tf.nn.softmax(logits, axis=-1), experts.dtype), experts)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_tasks": self.num_tasks, "num_experts": self.num_experts}
