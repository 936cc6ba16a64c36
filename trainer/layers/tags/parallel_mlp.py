"""Several MLPs in parallel."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from trainer.keras_api import keras, register


@register
class ParallelMLP(keras.layers.Layer):
    """C networks of the same shape with weights of their own, computed together.

    ``y_c = W_c,n relu(... relu(W_c,1 x_c + b_c,1) ...) + b_c,n``; the last layer is linear unless told otherwise. They
    are the experts of a mixture, the towers of tasks, the towers of virtual kernels.

    Args:
      copies: C.
      widths: of the layers, the last is the output's.
      last_activation: whether the last layer has ReLU too.

    Raises:
      ValueError: a size is not positive, or there is no layer.
    """

    def __init__(self, copies: int, widths: Sequence[int], last_activation: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if copies < 1 or not widths or min(widths) < 1:
            raise ValueError(f"copies and widths should be positive. Received: {copies}, {list(widths)}.")
        self.copies, self.widths, self.last_activation = copies, list(widths), last_activation

    def build(self, input_shape: Any) -> None:
        self.kernels, self.biases = [], []
        inner = int(input_shape[-1])
        for index, width in enumerate(self.widths):
            # Glorot's limit of one network; Keras would take the copies for the window of a convolution.
            limit = (6 / (inner + width)) ** 0.5
            self.kernels.append(
                self.add_weight(
                    f"kernel_{index}",
                    shape=(self.copies, inner, width),
                    initializer=keras.initializers.RandomUniform(-limit, limit),
                )
            )
            self.biases.append(self.add_weight(f"bias_{index}", shape=(self.copies, width), initializer="zeros"))
            inner = width
        super().build(input_shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Applies each network to its own input, or all to the same.

        Args:
          inputs: float [B, C, I], or [B, I] for the same input to all.

        Returns:
          float [B, C, O].
        """
        outputs = inputs
        for index, (kernel, bias) in enumerate(zip(self.kernels, self.biases, strict=True)):
            equation = "bi,cio->bco" if len(outputs.shape) == 2 else "bci,cio->bco"
            outputs = tf.einsum(equation, outputs, kernel) + bias
            if self.last_activation or index < len(self.widths) - 1:
                outputs = tf.nn.relu(outputs)
        return outputs

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "copies": self.copies,
            "widths": list(self.widths),
            "last_activation": self.last_activation,
        }
