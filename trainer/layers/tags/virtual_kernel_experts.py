"""MVKE's experts, one per virtual kernel."""

from collections.abc import Sequence
from typing import Any, Literal

import tensorflow as tf

from trainer.keras_api import keras, register
from trainer.layers.history.masking import masked_softmax
from trainer.layers.history.transformer_encoder import EPSILON
from trainer.layers.tags.parallel_mlp import ParallelMLP


@register
class VirtualKernelExperts(keras.layers.Layer):
    """K experts that look at a user's fields, each led by a trained virtual kernel (MVKE's VKE).

    With kernels VK [K, d] and field vectors F [F, E]::

        Q = s(VK Wq + bq),  K = s(F Wk + bk),  V = s(F Wv + bv),   w_fk = softmax_f(<Q_k, K_f> / sqrt(E))

    * ``pool=False``, the authors' code: ``C_fk = LN(w_fk V_f + F_f)`` keeps the fields apart, for the tower to cross.
    * ``pool=True``, the paper's sum: ``C_k = sum_f w_fk V_f``.

    s is the identity (``activation="linear"``), as in the authors' code. The paper's text has a sigma around Q, K and
    V, which ``activation="sigmoid"`` takes for the one in the paper's loss.

    ``u_k = tower_k(C_k)``; towers have weights of their own. ``mlp`` takes the concatenated fields; ``fm_mlp`` takes
    them together with their second-order interactions, ``((sum_f C_f)^2 - sum_f C_f^2) / 2``. An absent field has no
    weight and stands as zeros in the concatenation.

    Reference: Xu et al., "Mixture of Virtual-Kernel Experts for Multi-Objective User Profile Modeling", KDD 2022,
    section 3.2. Our reading: the fields' width E may differ from the kernels' d (queries are E wide), and of the
    interactions the tower gets a vector beside the fields.

    Args:
      num_kernels: K.
      dimension: d, of the kernels and of what the towers say.
      hidden: widths of the towers' layers before the last, linear one.
      pool: see above.
      tower: ``mlp`` or ``fm_mlp``.
      activation: s, ``linear`` or ``sigmoid``.

    Raises:
      ValueError: an argument is out of its range, or ``fm_mlp`` is asked to cross pooled fields.
    """

    def __init__(
        self,
        num_kernels: int,
        dimension: int,
        hidden: Sequence[int],
        pool: bool = False,
        tower: Literal["mlp", "fm_mlp"] = "mlp",
        activation: Literal["linear", "sigmoid"] = "linear",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if min(num_kernels, dimension) < 1:
            raise ValueError(f"num_kernels and dimension should be positive. Received: {num_kernels}, {dimension}.")
        if tower not in ("mlp", "fm_mlp"):
            raise ValueError(f"tower should be 'mlp' or 'fm_mlp'. Received: {tower!r}.")
        if pool and tower == "fm_mlp":
            raise ValueError("fm_mlp crosses fields, and pool=True leaves none to cross.")
        if activation not in ("linear", "sigmoid"):
            raise ValueError(f"activation should be 'linear' or 'sigmoid'. Received: {activation!r}.")
        self.num_kernels, self.dimension, self.hidden = num_kernels, dimension, list(hidden)
        self.pool, self.tower, self.activation = pool, tower, activation
        self.kernels = self.add_weight("kernels", shape=(num_kernels, dimension), initializer="glorot_uniform")

    def build(self, input_shape: Any) -> None:
        width = int(input_shape[-1])
        self.query, self.key, self.value = (
            keras.layers.Dense(width, activation=self.activation, name=name) for name in ("query", "key", "value")
        )
        self.query.build((None, self.dimension))
        self.key.build(input_shape)
        self.value.build(input_shape)
        if not self.pool:
            self.norm = keras.layers.LayerNormalization(epsilon=EPSILON, name="norm")
            self.norm.build((None, None, None, width))
        self.towers = ParallelMLP(self.num_kernels, [*self.hidden, self.dimension], name="towers")
        super().build(input_shape)

    def call(self, fields: tf.Tensor, present: tf.Tensor) -> tf.Tensor:
        """The experts' vectors.

        Args:
          fields: float [B, F, E].
          present: bool [B, F].

        Returns:
          float [B, K, d].
        """
        keys, values = self.key(fields), self.value(fields)
        logits = tf.einsum("ke,bfe->bkf", self.query(self.kernels), keys) / tf.cast(keys.shape[-1], keys.dtype) ** 0.5
        weights = masked_softmax(tf.cast(logits, tf.float32), present[:, tf.newaxis])
        weights = tf.cast(weights, values.dtype)
        if self.pool:
            return self.towers(tf.einsum("bkf,bfe->bke", weights, values))
        seen = weights[..., tf.newaxis] * values[:, tf.newaxis] + fields[:, tf.newaxis]
        seen = self.norm(seen) * tf.cast(present, values.dtype)[:, tf.newaxis, :, tf.newaxis]
        flat = tf.reshape(seen, [-1, self.num_kernels, seen.shape[2] * seen.shape[3]])
        if self.tower == "fm_mlp":
            pairs = (tf.square(tf.reduce_sum(seen, axis=2)) - tf.reduce_sum(tf.square(seen), axis=2)) / 2
            flat = tf.concat([flat, pairs], axis=-1)
        return self.towers(flat)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_kernels": self.num_kernels,
            "dimension": self.dimension,
            "hidden": list(self.hidden),
            "pool": self.pool,
            "tower": self.tower,
            "activation": self.activation,
        }
